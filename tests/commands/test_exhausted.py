"""Where the machine is at its end, a command says so in a line."""

import errno
import re
import sqlite3
import sys
from pathlib import Path

import pytest
import torch

from bottleneck.commands import main
from bottleneck.commands.errors import explained
from bottleneck.commands.exhausted import exhausted


def wrapped(cause):
    """An error as libraries raise it while they handle another."""
    try:
        try:
            raise cause
        except Exception:
            raise RuntimeError("unexpected pos 576 vs 534")  # noqa: B904
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/run/log"), "the disk is full .*/run/log"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full .*quota"),
        (wrapped(OSError(errno.ENOSPC, "No space left on device")), "the disk is full .*No space"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/mine"), "/mine cannot be used .*another place"),
        (FileExistsError(errno.EEXIST, "File exists", "run"), "run cannot be used"),
        (MemoryError(), "too little memory .*MemoryError.*data.batch_size"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "too little memory .*data.batch_size"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "too little memory"),
    ],
)
def test_what_is_missing_is_named_with_the_cure(error, answer):
    """Whichever library noticed, and however it wrapped what the system said."""
    found = exhausted(error)
    assert found is not None
    assert re.search(answer, found)


def test_memory_that_is_refused_is_told_apart():
    """PyTorch's own words for it are known."""
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**58, dtype=torch.uint8)
    assert "too little memory" in exhausted(refused.value)


@pytest.mark.parametrize(
    "error", [ValueError("seed=-1"), FileNotFoundError(2, "none"), wrapped(KeyError("a"))]
)
def test_other_errors_are_others(error):
    """A defect keeps its traceback."""
    assert exhausted(error) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk_is_one_line(capsys):
    """A write that fails anywhere below a command ends it with a sentence and exit code 1."""
    with pytest.raises(SystemExit) as ended, explained("train", as_they_are=False):
        Path("/dev/full").write_text("x" * 100_000)
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bottleneck train: the disk is full ([Errno 28]")


@pytest.mark.sampled(3)
@pytest.mark.filterwarnings("ignore")  # as in a process of its own
@pytest.mark.parametrize("place", ["/proc/x", "notes", "notes/x", "logged"])
@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir"])
def test_run_folder_that_cannot_be_made_is_one_line(key, place, tmp_path, monkeypatch, capsys):
    """A place that takes no folder, a file, below one, a log that is none: what is wrong, and which key."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    (tmp_path / "notes").write_text("somebody's own")
    (tmp_path / "logged" / "commands.log").mkdir(parents=True)
    (tmp_path / "logged" / "0" / "commands.log").mkdir(parents=True)  # of the first of several runs
    several = ["-m"] if key == "hydra.sweep.dir" else []
    monkeypatch.setattr(sys, "argv", ["bottleneck", "profile", *several, f"{key}={tmp_path / place}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("bottleneck profile: the run's folder cannot be made ([Errno ")
    assert place in line
    assert f"{key}=..." in line
    assert (tmp_path / "notes").read_text() == "somebody's own"
