"""Where a result comes from: the command that was given and the versions that ran it."""

import platform
import re
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

import bottleneck

_LIBRARIES = ("torch", "torchvision", "pytorch-lightning", "optuna")


def command() -> str:
    """The command line of this process, as a shell takes it; passwords in URLs are starred out."""
    given = [_without_password(argument) for argument in sys.orig_argv[1:]]
    if given and Path(given[0]).name == "bottleneck":  # the console script, wherever it is installed
        return shlex.join(["bottleneck", *given[1:]])
    return shlex.join(["python", *given])


def versions() -> dict[str, str]:
    """Version of everything that a number may depend on, by name."""
    return {
        "split-bottleneck": bottleneck.__version__,
        **{name: version(name) for name in _LIBRARIES},
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
    }


def _without_password(argument: str) -> str:
    hidden = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", argument)
    return re.sub(r"(password=)[^&\s]*", r"\1***", hidden)
