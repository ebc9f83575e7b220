"""What the scripts share: their text as help, configurations, tables, an event loop, a server."""

import argparse
import asyncio
import contextlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from tabulate import tabulate

from bottleneck.commands.config import config_dir


def parser(text: str | None) -> argparse.ArgumentParser:
    """A command line whose help is the script's own text."""
    return argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)


def composed(command: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration of `bottleneck COMMAND OVERRIDE...`, without progress bars."""
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(command, ["trainer.enable_progress_bar=false", *overrides])


def markdown(rows: Iterable[Any], header: Sequence[str] | str = "keys") -> str:
    """A table for results.md; numbers come formatted already. `keys`: rows are dictionaries."""
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


@contextlib.contextmanager
def background_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own, for a server or a link beside what is measured."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.contextmanager
def served(frontier: Path, host: str) -> Iterator[tuple[int, int]]:
    """`bottleneck serve` in a process of its own: its number, and its port.

    Raises:
        RuntimeError: If it does not end as it should.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bottleneck", "serve", f"frontier={frontier}", f"host={host}"]
        command += ["port=0", "page.port=null", f"hydra.run.dir={folder}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            if line := process.stdout.readline():
                yield process.pid, int(line.rpartition(":")[2])
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=60)
    if process.returncode != 0:
        raise RuntimeError(f"the server ended with {process.returncode}: {output[-2000:]}")
