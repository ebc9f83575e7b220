"""What the page shows as pictures: frames as they were captured, features as they were decoded."""

import io
import math
from typing import Any

import numpy as np
from PIL import Image

_MOST_CHANNELS = 64
_SIDE = 240  # pixels: larger pictures are made smaller, tiny ones larger


def thumbnail(image: Any) -> bytes:
    """A small PNG of a PIL image, or of uint8 or float C×H×W; floats and greys are stretched."""
    if not isinstance(image, Image.Image):
        array = np.asarray(image)
        if array.dtype != np.uint8 or len(array) == 1:  # the digits end at 16
            array = _grey(array)
        image = Image.fromarray(array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0))
    return _png(image.convert("RGB"))


def mosaic(feature: np.ndarray) -> bytes:
    """A PNG of a feature's first channels, side by side, dark to bright over what it contains.

    Args:
        feature: `(C, H, W)`; of another number of axes, the last two lie in the picture.
    """
    tiles = _grey(feature.reshape(-1, *feature.shape[-2:])[:_MOST_CHANNELS])
    count, height, width = tiles.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    page = np.zeros((rows * columns, height + 1, width + 1), np.uint8)
    page[:count, :height, :width] = tiles
    page = page.reshape(rows, columns, height + 1, width + 1).swapaxes(1, 2)
    return _png(Image.fromarray(page.reshape(rows * (height + 1), columns * (width + 1))))


def _grey(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    grey: np.ndarray = (255 * (values - low) / ((high - low) or 1.0)).astype(np.uint8)
    return grey


def _png(image: Image.Image) -> bytes:
    scale = _SIDE / max(image.size)
    if scale < 1:
        image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    elif scale >= 2:
        image = image.resize((image.width * int(scale), image.height * int(scale)), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
