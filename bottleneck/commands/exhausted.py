"""What a command says where the machine is at its end: no room on the disk, no memory, no right to write."""

import errno
import re
from collections.abc import Iterator
from types import TracebackType

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: A name that is no place to write, such as a file's where a folder is needed.
_NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
#: Where Hydra makes the folder of a run, that of several, and the log in it.
_MAKES_FOLDERS = (
    "hydra.core.utils",
    "hydra._internal.core_plugins.basic_sweeper",
    "hydra._internal.logging_config",
)
#: How libraries say it whose errors have no number.
_FULL_TEXT = re.compile(r"database or disk is full|No space left on device|DiskFull")
_MEMORY_TEXT = re.compile(r"can't allocate memory|Cannot allocate memory|CUDA out of memory|bad_alloc")
_KILLED_TEXT = re.compile(r"DataLoader worker .*is killed by signal: Killed")


def exhausted(error: BaseException) -> str | None:
    """What the machine has too little of, in a sentence with the cure; `None` where it is something else.

    Libraries wrap what the operating system said, so causes and contexts are looked at as well.
    """
    place = error.__cause__ or error  # not what was handled on the way: a name may be taken, and that be fine
    if isinstance(place, OSError) and _asked_by(error.__traceback__) in _MAKES_FOLDERS:
        return (
            f"the run's folder cannot be made ({place}). Give hydra.run.dir=..., or with -m "
            "hydra.sweep.dir=..., a place where you may write."
        )
    if isinstance(place, OSError) and place.errno in _NO_PLACE and place.filename is not None:
        return f"{place.filename} cannot be used ({place.strerror}). Name another place."
    for each in _chain(error):
        text = " ".join(str(each).split())
        if (isinstance(each, OSError) and each.errno in _FULL) or _FULL_TEXT.search(text):
            return f"the disk is full ({text}). Make room, or write elsewhere; what was whole still is."
        if isinstance(each, MemoryError) or _MEMORY_TEXT.search(text) or _KILLED_TEXT.search(text):
            return (
                f"there is too little memory ({text or type(each).__name__}). Lower data.batch_size, "
                "data.num_workers or study.workers, or close other programs."
            )
    return None


def _asked_by(trace: TracebackType | None) -> str:
    """The module, of Hydra's or this package's, for which other code did what went wrong."""
    name = ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        name = module if module.split(".")[0] in ("hydra", "bottleneck") else name
        trace = trace.tb_next
    return name


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it, the first cause first."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or following.__context__
    return reversed(found)
