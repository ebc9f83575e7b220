"""Optuna's journal, which no kill, full disk or flipped byte spoils: lines are whole, the dead hold no lock.

    {"op_code":8,"worker_id":"…","trial_id":3,"user_attr":{"seconds":4.1},"crc":2915318340}

A line that a killed or failed writer left unfinished is cut off before the next one is written. Each has a
checksum of the rest of it, which Optuna passes over; lines of other programs and of release 0.1 have none.
The lock is the operating system's (`flock`), which frees it with the process.
"""

import contextlib
import json
import logging
import os
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

log = logging.getLogger(__name__)

_CHECKSUM = "crc"


class Journal(JournalFileBackend):
    """A journal in one file, shared by the processes of a machine, or of several over NFS.

    What had to be cut off on opening is kept in a file beside it, and said.

    Args:
        path: The file; its folder is there.
    """

    def __init__(self, path: Path):
        self._alone = FileLock(path.with_name(f"{path.name}.flock"))
        super().__init__(str(path), _Lock(self._alone))
        self._path, self._read_to = path, 0
        with self._alone:
            whole = _whole_bytes(path)
            if not whole and path.stat().st_size and not _begins_as_a_line(path):
                raise ValueError(
                    f"study.storage=journal:///{path}: that file is no journal, and stays as it is. Name "
                    "another."
                )
            self._cut(whole)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """The operations from a number on.

        Raises:
            OSError: If a line is damaged, of which this process may know what is behind it already.
        """
        try:
            for operation in super().read_logs(log_number_from):
                _check(operation)
                yield operation
        except ValueError as error:
            raise OSError(
                f"{self._path} has a damaged line ({error}). End every command of this study; the next one "
                "cuts it off, with what builds on it, and goes on."
            ) from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with self._alone:
            size = self._path.stat().st_size
            if size < self._read_to:
                raise OSError(
                    f"{self._path} has lost {self._read_to - size} bytes that were read already: another "
                    "program has changed it. Go on with a copy of it, or another study.storage."
                )
            with self._path.open("rb") as file:
                file.seek(max(size - 1, 0))
                torn = size and file.read() != b"\n"
            if torn:
                self._cut(self._path.read_bytes().rfind(b"\n") + 1)
            super().append_logs([{**operation, _CHECKSUM: _checksum(operation)} for operation in logs])
            self._read_to = self._path.stat().st_size

    def _cut(self, size: int) -> None:
        """Keep the first bytes, and the rest elsewhere."""
        with self._path.open("rb") as file:
            file.seek(size)
            rest = file.read()
        if not rest:
            return
        cut = self._path.with_name(f"{self._path.name}.cut")
        with contextlib.suppress(OSError), cut.open("ab") as file:  # the disk may still be full
            file.write(rest)
        os.truncate(self._path, size)
        behind = rest.count(b"\n", rest.find(b"\n") + 1)
        what = f"a damaged line and {behind} behind it, which build on it" if behind else "an unfinished line"
        log.warning(
            "%s ended in %d bytes that a killed writer, a full disk or something else spoiled: %s. They are "
            "cut off (%s has them), and the study goes on from there.",
            self._path,
            len(rest),
            what,
            cut.name,
        )


def _begins_as_a_line(path: Path) -> bool:
    """Whether a file may be a journal of which not even the first line was finished."""
    with path.open("rb") as file:
        return file.read(1) in (b"{", b"\0")


def _whole_bytes(path: Path) -> int:
    """How far the file is whole: lines of one operation each, as JSON."""
    size = 0
    with path.open("rb") as lines:
        for line in lines:
            try:
                operation = line.endswith(b"\n") and json.loads(line)
                if not (isinstance(operation, dict) and "op_code" in operation):
                    break
                _check(operation)
            except ValueError:
                break
            size += len(line)
    return size


def _checksum(operation: dict[str, Any]) -> int:
    """Of an operation as it is written, and as it is found again."""
    return zlib.crc32(json.dumps(operation, separators=(",", ":")).encode())


def _check(operation: dict[str, Any]) -> None:
    """Refuse an operation that is not what was written; the checksum is taken off."""
    told = operation.pop(_CHECKSUM, None)
    if told is not None and told != _checksum(operation):
        raise ValueError(f"its checksum is {told} and should be {_checksum(operation)}")


class _Lock(JournalFileOpenLock):
    """`FileLock` as Optuna takes it; whoever has it may take it again."""

    def __init__(self, lock: FileLock):
        super().__init__(lock.lock_file)
        self._lock = lock

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()
