"""What every image codec shares: uint8 pixels ↔ a picture ↔ the bytes of an image file.

::

    pixels 1|3 × H × W ─► picture H × W [× 3] ─► write(picture, quality) ─► payload
                                                 read(payload), which checks size and mode first

A format is a subclass with `_write` and `_read`. Files are self-contained: what they decode to does not
depend on the quality they were written with, so a quality may be searched for each image.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_budget, as_integer
from bottleneck.codecs.stage import ArrayToBytes, Form, bytes_form

_LARGEST_SIDE = 16383  # WebP's limit, the lowest of all formats


class Picture(ArrayToBytes):
    """Codes an image of 1 or 3 channels in one of the usual formats.

    Lossy unless the format is lossless; decoding gives the same pixels each time. A payload is the whole
    file, without metadata, and nothing else. The library that writes it is looked for when the codec is
    made, and raises `MissingLibraryError` if it is not installed.

    Args:
        form: Pixels of shape ``(1, H, W)`` or ``(3, H, W)``.
    """

    takes = ("pixels",)

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        self.shape = form.shape
        if len(self.shape) != 3 or self.shape[0] not in (1, 3) or max(self.shape[1:]) > _LARGEST_SIDE:
            raise ValueError(
                f"codec {self.name!r} codes images of shape (1, H, W) or (3, H, W) with sides up to "
                f"{_LARGEST_SIDE}; got shape={self.shape}. Send a feature with codec 'tiled'."
            )
        # No format needs as much.
        self.gives = bytes_form(4 * form.n_values + 65536 if form.n_values else 0)
        self._require_library()

    @abstractmethod
    def _require_library(self) -> None:
        """Raise MissingLibraryError where this format cannot be written."""

    @abstractmethod
    def _write(self, picture: NDArray[np.uint8]) -> bytes:
        """The file of a picture, H × W or H × W × 3."""

    @abstractmethod
    def _read(self, payload: bytes) -> NDArray[np.uint8]:
        """The picture of a file; calls `_check_form` as soon as the file's header has been read."""

    def encode(self, array: NDArray[Any]) -> bytes:
        if not array.size:
            return b""
        return self._write(array[0] if self.shape[0] == 1 else np.ascontiguousarray(array.transpose(1, 2, 0)))

    def decode(self, payload: bytes) -> NDArray[Any]:
        if len(payload) > self.gives.n_values:
            raise ValueError(
                f"payload of {len(payload)} bytes is too long for an image of shape {self.shape}."
            )
        if not self.form.n_values:
            return np.zeros(0, dtype=np.uint8)
        try:
            picture = self._read(payload)
            if picture.shape[:2] != self.shape[1:]:  # turned by the file's own wish, say
                raise ValueError(f"its picture is {picture.shape}")
        except Exception as error:  # the libraries raise dozens of types on bytes that are no image
            raise ValueError(
                f"payload of {len(payload)} bytes is no {self.name} image of shape {self.shape} "
                f"({type(error).__name__}: {error}); it was damaged, or made by another codec."
            ) from error
        return picture if self.shape[0] == 1 else np.ascontiguousarray(picture.transpose(2, 0, 1))

    def _check_form(self, height: int, width: int, mode: str) -> None:
        """Refuse an image of another form before memory is spent on its pixels.

        Args:
            height: Its sides in pixels.
            width: Likewise.
            mode: Pillow's word for its channels; read are `L` (grey) and `RGB`.
        """
        if (height, width) != self.shape[1:] or mode != ("L" if self.shape[0] == 1 else "RGB"):
            raise ValueError(f"it is an image of {height}×{width} pixels in mode {mode}")


class QualityPicture(Picture):
    """An image format with a quality, fixed or the best that a number of bytes allows.

    Args:
        form: Pixels of shape ``(1, H, W)`` or ``(3, H, W)``.
        quality: 1 to 100; larger: more rate, better picture. Scales differ between formats.
        max_bytes: If given, each image is written at the best quality up to `quality` whose payload
            keeps to it; `encode` raises `ValueError` where none does.
    """

    def __init__(self, form: Form, quality: int = 50, max_bytes: int | None = None) -> None:
        self.quality = as_integer(quality, "quality", 1, 100)
        self.max_bytes = as_budget(max_bytes)
        super().__init__(form)

    def _write(self, picture: NDArray[np.uint8]) -> bytes:
        return best_within(
            self.max_bytes, range(1, self.quality + 1), lambda quality: self._write_at(picture, quality)
        )

    @abstractmethod
    def _write_at(self, picture: NDArray[np.uint8], quality: int) -> bytes:
        """The file of a picture at a quality."""


def best_within(max_bytes: int | None, qualities: Sequence[int], write: Callable[[int], bytes]) -> bytes:
    """The payload at the best quality that keeps to a number of bytes.

    Size grows with quality only approximately, so bisection may miss a slightly better quality; what it
    returns has been written and measured.

    Args:
        max_bytes: The limit; None takes the best quality.
        qualities: From worst to best.
        write: Payload at a quality.

    Raises:
        ValueError: If not even the worst qualities fit.
    """
    if max_bytes is None:
        return write(qualities[-1])
    best, smallest = None, None
    low, high = 0, len(qualities)
    while low < high:
        middle = (low + high) // 2
        payload = write(qualities[middle])
        smallest = min(len(payload), smallest or len(payload))
        if len(payload) <= max_bytes:
            best, low = payload, middle + 1
        else:
            high = middle
    if best is None:
        raise ValueError(
            f"max_bytes={max_bytes} is too little: the smallest payload found has {smallest} bytes. "
            "Allow more."
        )
    return best
