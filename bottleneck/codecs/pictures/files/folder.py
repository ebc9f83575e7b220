"""The picture files of a folder, and how many files are none."""

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


def pictures_in(folder: Path, endings: tuple[str, ...]) -> tuple[list[Path], int]:
    """The pictures of a folder and of the folders in it, by folder and then by name; how many files are none.

    What begins with a dot is neither: `.ipynb_checkpoints`, or the `._photograph.jpg` that a Mac writes.

    Args:
        folder: The folder.
        endings: Of pictures, in small letters.
    """
    found: list[tuple[str, str]] = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [(place, name) for name in names if not name.startswith(".")]
    pictures = [Path(*file) for file in sorted(found) if file[1].lower().endswith(endings)]
    return pictures, len(found) - len(pictures)


def tell_passed_over(folder: Path, count: int) -> None:
    """Say in one line how many files of a folder are no pictures, if any are."""
    if count:
        which = "1 file that is no image" if count == 1 else f"{count} files that are no images"
        log.warning("%s: passed over %s.", folder, which)
