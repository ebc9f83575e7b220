"""Files and folders that are either whole or not there.

Each is written beside its name and put there in one step. A writer that is killed, or has no room left,
leaves the old one, and whoever reads meanwhile sees all of the old one or all of the new one.
"""

import contextlib
import ctypes
import glob
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from filelock import FileLock

Read = TypeVar("Read")

_TRIES = 5  # of a reader
_DEAD_S = 86_400.0  # for so long no living writer rests
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


def writable(folder: Path) -> Path:
    """Make a folder, and see that files can be made in it: locks wait for ever where they cannot (`/proc`).

    Raises:
        OSError: If they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        # Without its cause, which names a file that nobody has heard of.
        raise OSError(f"{folder} cannot be written ({error.strerror}). Name another place.") from None


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Write a file next to its final place and move it there at the end.

    What a killed writer has left there is removed after a day. Nobody else can tell it from what one writes
    on another machine, or in another container.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    for old in path.parent.glob(f".{'[0-9a-f]' * 32}.{glob.escape(path.name)}"):
        with contextlib.suppress(OSError):  # another writer may be faster
            if time.time() - old.stat().st_mtime > _DEAD_S:
                old.unlink()
    try:
        yield temporary
        _to_disk(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Write a text file, or leave the one that is there; a reader never sees a part."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def replace_folder(path: Path, *ours: str) -> Iterator[Path]:
    """Write a folder next to its final place and exchange it with what is there at the end.

    Args:
        path: The folder; those above it are made.
        ours: Patterns of the names that such folders have. What else lies in the old one stays there.

    Raises:
        NotADirectoryError: If a file has its name.
        OSError: If nothing can be written beside it.
    """
    path = path.resolve()
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{path} is a file, and a folder is to be written. Name another place.")
    writable(path.parent)
    fresh, aside = path.with_name(f".{path.name}.new"), _aside(path)
    with _alone(path):
        if aside.exists() and not path.exists():
            aside.rename(path)
        for left in (fresh, aside):  # by a writer that was killed
            _discard(left, path, ours)
        fresh.mkdir()
        try:
            yield fresh
            for file in fresh.rglob("*"):
                if file.is_file():
                    _to_disk(file)
            if path.exists() and not _exchange(fresh, path):
                path.rename(aside)
                fresh.rename(path)
                aside.rename(fresh)
            elif not path.exists():
                fresh.rename(path)
        finally:
            _discard(fresh, path, ours)


def read_folder(path: Path, read: Callable[[Path], Read]) -> Read:
    """What a function makes of a folder that may be replaced meanwhile: of one state of it.

    Args:
        path: The folder.
        read: Called again with its files where the folder was replaced in between; a writer that never
            rests has to wait after a while.
    """
    path = path.resolve()
    for _ in range(_TRIES):
        before = _state(path)
        try:
            found = read(_aside(path) if _aside(path).exists() and not path.exists() else path)
        except (OSError, ValueError):
            if _state(path) == before:
                raise
        else:
            if _state(path) == before:
                return found
    with _alone(path):
        return read(path)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, where the operating system and the disk can; macOS and NFS cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and not rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)


def _alone(path: Path) -> "FileLock":
    from filelock import FileLock  # a device that only reads does without

    return FileLock(path.with_name(f".{path.name}.lock"))


def _aside(path: Path) -> Path:
    """Where the old folder is for a moment, where folders cannot be exchanged."""
    return path.with_name(f".{path.name}.old")


def _discard(old: Path, path: Path, ours: tuple[str, ...]) -> None:
    """Remove a folder, but for what is not ours in it: that goes where the folder was."""
    for entry in old.iterdir() if old.exists() else ():
        if not any(fnmatch(entry.name, pattern) for pattern in ours) and not (path / entry.name).exists():
            entry.rename(path / entry.name)
    shutil.rmtree(old, ignore_errors=True)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
