"""HEIC: an HEVC picture in an image file, as phones write it, through pillow-heif."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.libraries import require
from bottleneck.codecs.pictures.files.endings import check_boxes
from bottleneck.codecs.pictures.files.headers import check_heic
from bottleneck.codecs.pictures.files.picture import QualityPicture


class Heic(QualityPicture):
    """HEIC through libheif and x265; options: `QualityPicture`."""

    name = "heic"

    def _require_library(self) -> None:
        require("pillow_heif", "pillow-heif", self.name)

    def _write_at(self, picture: NDArray[np.uint8], quality: int) -> bytes:
        import pillow_heif

        height, width = picture.shape[:2]
        file = io.BytesIO()
        # Without the colour profile a reader assumes what the writer does by default.
        pillow_heif.encode(
            "L" if picture.ndim == 2 else "RGB",
            (width, height),
            picture.tobytes(),
            file,
            quality=quality,
            save_nclx_profile=False,
        )
        return file.getvalue()

    def _read(self, payload: bytes) -> NDArray[np.uint8]:
        import pillow_heif

        check_boxes(payload)
        check_heic(payload, *self.shape[1:])
        image = pillow_heif.open_heif(io.BytesIO(payload), convert_hdr_to_8bit=False)
        width, height = image.size
        self._check_form(height, width, image.mode)
        return np.array(image)
