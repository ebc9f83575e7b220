"""What a command says when the user has to act: one line, and exit code 1.

A `ValueError`, a file that is missing or damaged, or a missing library that this package noticed is the
user's to mend, and so is a full disk or too little memory, whoever noticed; anything else is a defect and
keeps its traceback. `HYDRA_FULL_ERROR=1` brings back every one.
"""

import contextlib
import difflib
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bottleneck.commands.exhausted import exhausted

_MISTAKES = (ValueError, OSError, ModuleNotFoundError)


@contextlib.contextmanager
def explained(command: str, traceback: bool) -> Iterator[None]:
    """Turn the user's mistakes inside into one line on stderr and exit code 1.

    Args:
        command: The command that runs.
        traceback: Whether errors pass as they are.
    """
    try:
        yield
    except Exception as error:
        cause = _cause(error)
        if traceback:
            raise
        mistake = isinstance(cause, _MISTAKES) and _is_ours(cause.__traceback__)
        if mistake and not isinstance(cause, OSError):
            text = str(cause)
        elif (ended := exhausted(error)) is not None:
            text = ended
        elif isinstance(cause, (HydraException, OmegaConfBaseException)):
            text = _configuration(cause, command)
        elif mistake:
            text = str(cause)
        else:
            raise
        print(f"bottleneck {command}: {text}", file=sys.stderr)
        raise SystemExit(1) from error


def _cause(error: BaseException) -> BaseException:
    """What really happened, where Hydra reports that an object could not be made."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _is_ours(trace: TracebackType | None) -> bool:
    """Whether the error was raised by this package itself."""
    name = ""
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        trace = trace.tb_next
    return name.split(".")[0] == "bottleneck"


def _configuration(error: BaseException, command: str) -> str:
    """What Hydra found wrong, in a line, with the nearest key or choice."""
    if isinstance(error, OverrideParseException):
        return f"{error.override} cannot be read: {_first_line(error)}."
    if isinstance(error, MissingConfigException) and error.options:
        choice = str(error.missing_cfg_file)
        near = difflib.get_close_matches(choice.rpartition("/")[2], error.options, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        return f"there is no {choice}.{meant} Choose one of {', '.join(error.options)}."
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OmegaConfBaseException) and found.full_key:
            return f"{_first_line(found)}.{_nearest(str(found.full_key), command)}"
        found = found.__cause__
    text = _first_line(error)
    quoted = text.split("'")
    return f"{text}.{_nearest(quoted[1], command) if len(quoted) > 2 else ''}"


def _first_line(error: BaseException) -> str:
    return next((line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()), repr(error))


def _nearest(key: str, command: str) -> str:
    """The configuration's keys that resemble a misspelt one, and where all of them stand."""
    keys = _keys(command)
    leaf = key.rpartition(".")[2]
    near = [known for known in keys if known.rpartition(".")[2] == leaf]
    near += [known for known in difflib.get_close_matches(key, keys, n=3) if known not in near]
    meant = f" Nearest: {', '.join(near[:3])}." if near else ""
    return f"{meant} `bottleneck {command} --cfg job` shows every key."


def _keys(command: str) -> list[str]:
    """Every key of a command's configuration, dotted, and its groups."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from bottleneck.commands.config import config_dir

    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose(command)

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for name, inner in node.items() if isinstance(node, dict) else ():
            yield f"{prefix}{name}"
            yield from walk(inner, f"{prefix}{name}.")

    return list(walk(OmegaConf.to_container(cfg, resolve=False), ""))
