"""Where a result comes from: the command that was given, the versions that ran it, and on what."""

import datetime
import os
import platform
import re
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

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


def measured(device: torch.device) -> dict[str, Any]:
    """What times depend on beside what was measured: command, versions, machine, and date with time.

    Args:
        device: Where the network is.
    """
    linux = Path("/proc/cpuinfo")  # where `platform` has no name
    named = re.search(r"^model name\s*: (.+)$", linux.read_text() if linux.is_file() else "", re.MULTILINE)
    processor = named[1] if named else platform.processor() or platform.machine()
    gpu = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return {
        "command": command(),
        "versions": versions(),
        "machine": f"{processor}, {torch.get_num_threads()} of {os.cpu_count()} threads{gpu}",
        "date": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
    }


def _without_password(argument: str) -> str:
    hidden = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", argument)
    return re.sub(r"(password=)[^&\s]*", r"\1***", hidden)
