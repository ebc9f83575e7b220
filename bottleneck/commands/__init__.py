"""The commands, and the one way to start them all.

bottleneck train unit.step=4 alpha=0.1          the console script
python -m bottleneck train ...                  the same without it
python train.py ...                             in a checkout; likewise evaluate.py

Only this package reads Hydra's configuration. Nothing heavy is imported before the configuration is composed,
so that a slip of the pen is answered at once.
"""

import argparse
import contextlib
import difflib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

#: What each command does, in a line.
COMMANDS = {
    "train": "Train one bottleneck, code the validation set through it, and export it.",
    "evaluate": "Measure anything on a data set: untrained codecs, the input itself, exported bundles.",
    "search": "Run, continue or summarise a study of operating points, which ends in a frontier.",
    "profile": "List every split point and stage of a network: what must be sent, work, parameters.",
    "analyze": "Ask the feature at a split point the papers' questions before compressing it.",
    "plan": "Finish on the device, send a picture, or split, and where: measured, on your link.",
    "serve": "The server's half of frontiers: answers any number of devices, with a page to look at.",
    "stream": "The device's half: a folder, a video or a camera, answered through a server, or alone.",
    "demo": "Server, emulated link and device in one terminal, and a page that shows them at work.",
    "choose": "Name the point of a frontier that fits a link and a deadline.",
    "export": "Write both halves of a bundle as graphs, for machines without PyTorch.",
}


def main(command: str | None = None) -> None:
    """Run a command with this process's arguments; exit with code 1 where the user has to act.

    Args:
        command: Its name; `None`: the first argument.
    """
    arguments = sys.argv[1:]
    if command is None:
        if not arguments or arguments[0] in ("-h", "--help"):
            print(_overview())
            return
        command, *arguments = arguments
        if command not in COMMANDS:
            similar = difflib.get_close_matches(command, COMMANDS, n=1)
            meant = f" Did you mean {similar[0]!r}?" if similar else ""
            print(f"{command!r} is no command.{meant} There are {', '.join(COMMANDS)}.", file=sys.stderr)
            raise SystemExit(1)
        sys.argv = [sys.argv[0], *arguments]
    if "-h" in arguments or "--help" in arguments:
        from bottleneck.commands.help import help_of

        print(help_of(command, COMMANDS[command]))
        return
    _run(command)


def _run(command: str) -> None:
    from bottleneck.commands.config import config_dir
    from bottleneck.commands.errors import check_kinds, explained  # loads Hydra
    from bottleneck.commands.stopping import stoppable

    wanted = os.environ.get("HYDRA_FULL_ERROR", "0") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands errors to us as they are
    with stoppable(command), explained(command, as_they_are=wanted), _unchecked_help():
        import hydra
        from omegaconf import DictConfig

        @hydra.main(version_base="1.3", config_path=config_dir(), config_name=command)
        def task(cfg: DictConfig) -> None:
            with explained(command, as_they_are=wanted):  # before Hydra has a word to say on it
                check_kinds(command)
                importlib.import_module(f"bottleneck.commands.{command}").run(cfg)

        task()


@contextlib.contextmanager
def _unchecked_help() -> Iterator[None]:
    """Lets Hydra 1.3 make its parser on Python 3.14, which checks every help at once: one is no text."""
    parser: Any = argparse.ArgumentParser
    check = getattr(parser, "_check_help", None)
    if check is None:
        yield
        return
    parser._check_help = lambda *_: None
    try:
        yield
    finally:
        parser._check_help = check


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        ["bottleneck COMMAND [key=value ...]", "", *lines, "", "bottleneck COMMAND --help says more of each."]
    )
