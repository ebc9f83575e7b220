"""Stored images: which of a folder they are, how one is read, and what tells that they are the same ones.

The same on this machine, and on any that has a copy of them.
"""

import contextlib
import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from bottleneck.codecs.pictures.files.folder import pictures_in, tell_passed_over
from bottleneck.preprocess import as_pil

ENDINGS: tuple[str, ...] = IMG_EXTENSIONS  # of images, in small letters
_ENDS = 4096  # bytes of a file at either end


def images_in(folder: Path) -> list[Path]:
    """The images of a folder and of the folders in it, by folder and then by name; tells of other files."""
    images, others = pictures_in(folder, ENDINGS)
    tell_passed_over(folder, others)
    return images


def load_image(path: Path) -> Image.Image:
    """Decode one file to RGB.

    Raises:
        ValueError: If it cannot be read; the message names the file.
    """
    with readable(path), Image.open(path) as image:
        image.load()
        return as_pil(image)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say which image cannot be read, where that happens inside.

    Raises:
        ValueError: In the place of whatever Pillow raises.
    """
    try:
        yield
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is not a readable image ({error}). Replace or remove it.") from error


def version(*paths: str | Path) -> str:
    """Place, size and time of files: changes whenever they could have changed."""
    states = ((path, os.stat(path)) for path in paths)
    return " ".join(f"{os.path.abspath(path)} {s.st_size} {s.st_mtime_ns}" for path, s in states)


def content(*paths: str | Path) -> str:
    """Name, folder, size, beginning and end of files: cheap, and equal wherever a copy of them lies."""
    return " ".join(_content(Path(path)) for path in paths)


def _content(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        ends = file.read(_ENDS)
        file.seek(max(0, size - _ENDS))
        ends += file.read(_ENDS)
    return f"{path.parent.name}/{path.name} {size} {hashlib.sha256(ends).hexdigest()}"
