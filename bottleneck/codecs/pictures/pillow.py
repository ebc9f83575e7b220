"""JPEG, JPEG 2000, WebP, AVIF and PNG, as Pillow writes them.

Headers are read before Pillow reads a file (`files.headers`), so that no small one costs much time or memory.
"""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_budget
from bottleneck.codecs.libraries import missing, require
from bottleneck.codecs.pictures.files.endings import check_boxes
from bottleneck.codecs.pictures.files.headers import check_avif, check_jpeg, check_jpeg2000, check_png
from bottleneck.codecs.pictures.files.picture import Picture, QualityPicture, best_within
from bottleneck.codecs.stage import Form

_PILLOW = "pillow>=11.3"


class _PillowFormat(Picture):
    """A format that Pillow reads and writes.

    Attributes:
        pillow_format: Pillow's name of it.
        pillow_feature: What Pillow must have been built with.
        colours_grey: Whether a grey picture is read as three equal channels, always or by some versions.
    """

    pillow_format: ClassVar[str]
    pillow_feature: ClassVar[str]
    colours_grey: ClassVar[bool] = False

    def _require_library(self) -> None:
        require("PIL", _PILLOW, self.name)
        from PIL import features

        if not features.check(self.pillow_feature):
            raise missing(_PILLOW, self.name)

    def _save(self, picture: NDArray[np.uint8], **options: Any) -> bytes:
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(picture).save(file, self.pillow_format, **options)
        return file.getvalue()

    def _read(self, payload: bytes) -> NDArray[np.uint8]:
        from PIL import Image

        self._check_file(payload)
        with Image.open(io.BytesIO(payload), formats=[self.pillow_format]) as image:
            is_coloured_grey = self.shape[0] == 1 and self.colours_grey and image.mode == "RGB"
            self._check_form(image.height, image.width, "L" if is_coloured_grey else image.mode)
            return np.array(image.getchannel("G") if is_coloured_grey else image)

    @abstractmethod
    def _check_file(self, payload: bytes) -> None:
        """Refuse a file that ends too early or too late."""


class Jpeg(QualityPicture, _PillowFormat):
    """JPEG with Huffman tables of its own and, for colour, halved chroma; options: `QualityPicture`."""

    name = "jpeg"
    pillow_format, pillow_feature = "JPEG", "jpg"

    def _write_at(self, picture: NDArray[np.uint8], quality: int) -> bytes:
        return self._save(picture, quality=quality, optimize=True)

    def _check_file(self, payload: bytes) -> None:
        check_jpeg(payload)


class WebP(QualityPicture, _PillowFormat):
    """Lossy WebP, at the slowest of its methods; options: `QualityPicture`."""

    name = "webp"
    pillow_format, pillow_feature, colours_grey = "WEBP", "webp", True

    def _write_at(self, picture: NDArray[np.uint8], quality: int) -> bytes:
        return self._save(picture, quality=quality, method=6)

    def _check_file(self, payload: bytes) -> None:
        # Pillow allocates the whole canvas on opening, so size, chunk and 14-bit sides are read here.
        if payload[12:16] != b"VP8 " or int.from_bytes(payload[4:8], "little") + 8 != len(payload):
            raise ValueError("the file is no RIFF file of one VP8 picture")
        width, height = (int.from_bytes(payload[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        self._check_form(height, width, "L" if self.shape[0] == 1 else "RGB")


class Avif(QualityPicture, _PillowFormat):
    """AVIF, libavif's speed 6; options: `QualityPicture`."""

    name = "avif"
    pillow_format, pillow_feature, colours_grey = "AVIF", "avif", True

    def _write_at(self, picture: NDArray[np.uint8], quality: int) -> bytes:
        # Two threads and more give one file, a single thread another: none may depend on the machine.
        return self._save(picture, quality=quality, max_threads=2)

    def _check_file(self, payload: bytes) -> None:
        check_boxes(payload)
        check_avif(payload, *self.shape[1:])


class Jpeg2000(_PillowFormat):
    """JPEG 2000 as a bare codestream, with the irreversible wavelet and a direct target for its size.

    Args:
        form: Pixels of shape ``(1, H, W)`` or ``(3, H, W)``.
        ratio: Bytes of the pixels per byte of the payload. Larger: less rate, worse picture. The headers
            of about 110 bytes are the least that a payload has.
        max_bytes: If given, the target is at most so many bytes; `encode` raises `ValueError` where the
            payload cannot keep to them.
    """

    name = "jpeg2000"
    pillow_format, pillow_feature = "JPEG2000", "jpg_2000"

    def __init__(self, form: Form, ratio: float = 20.0, max_bytes: int | None = None) -> None:
        if not isinstance(ratio, int | float) or not 1 <= ratio < float("inf"):
            raise ValueError(f"ratio={ratio!r} is not a number from 1 up. Choose e.g. ratio=20.")
        self.ratio, self.max_bytes = float(ratio), as_budget(max_bytes)
        super().__init__(form)

    def _write(self, picture: NDArray[np.uint8]) -> bytes:
        target = max(1, int(self.form.n_values / self.ratio))
        if self.max_bytes is None:
            return self._write_to(picture, target)
        target = min(target, self.max_bytes)
        # The library misses its target by up to some twenty bytes; a smaller one is met then.
        targets = range(max(1, target - 64), target + 1)
        return best_within(self.max_bytes, targets, lambda target: self._write_to(picture, target))

    def _write_to(self, picture: NDArray[np.uint8], n_bytes: int) -> bytes:
        return self._save(
            picture,
            quality_mode="rates",
            quality_layers=[self.form.n_values / n_bytes],
            irreversible=True,
            no_jp2=True,
            comment=".",  # in place of 34 bytes about the library
            num_resolutions=min(6, max(1, min(picture.shape[:2]).bit_length() - 3)),  # bands of 8 and more
        )

    def _check_file(self, payload: bytes) -> None:
        if not payload.endswith(b"\xff\xd9"):
            raise ValueError("the file does not end with its end marker")
        check_jpeg2000(payload, *self.shape)


class Png(_PillowFormat):
    """PNG: the lossless one, at its smallest."""

    name = "png"
    pillow_format, pillow_feature = "PNG", "zlib"

    def _write(self, picture: NDArray[np.uint8]) -> bytes:
        return self._save(picture, optimize=True)

    def _check_file(self, payload: bytes) -> None:
        check_png(payload, *self.shape)
