"""Optuna's journal, which no kill and no full disk spoils: lines are whole, and the dead hold no lock.

A line that a killed or failed writer left unfinished is cut off before the next one is written. The lock is
the operating system's (`flock`), which frees it with the process.
"""

import contextlib
import json
import logging
import os
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

log = logging.getLogger(__name__)


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
                self._cut(_whole_bytes(self._path))
            super().append_logs(logs)
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
                said = line.endswith(b"\n") and json.loads(line)
            except ValueError:
                said = None
            if not (isinstance(said, dict) and "op_code" in said):
                break
            size += len(line)
    return size


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
