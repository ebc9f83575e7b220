"""How a network's own library prepares images, found by showing it some.

    two ramps, across and down           ──► to what it resizes an image, and what of that it keeps
    two soft pictures, wide and upright  ──► whether this and the network's normalisation is all that it does

Libraries have dozens of classes for it, with options of their own that mean different things; what they do to
an image is a resize and a crop, or something that no data set here does, which is then said.
"""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from bottleneck.models.pixels import Normalize
from bottleneck.preprocess import preprocess

log = logging.getLogger(__name__)

_SIDES = _WIDTH, _HEIGHT = 523, 331  # an aspect ratio that no network asks for
_TOLERANCE = 3.0  # grey levels on average: a crop that lies one pixel beside ours is off by less


def preparation(
    process: Callable[[Image.Image], Tensor], normalize: Normalize, interpolation: str, told: str
) -> dict[str, Any] | None:
    """What a library does to an image, as options of `preprocess`.

    Args:
        process: The library's own: from an image to what the network takes, `(3, H, W)`.
        normalize: What is done to the pixels after that.
        interpolation: How the library finds pixels.
        told: What to call it.

    Returns:
        The options; `None`, with a warning, where the library does something else to images.
    """
    try:
        across, down = (_seen(process, normalize, axis) for axis in (0, 1))
        options = _options(across, down)
        options |= {} if interpolation == "bilinear" else {"interpolation": interpolation}
        off = max(_difference(process, normalize, options, sides) for sides in (_SIDES, _SIDES[::-1]))
        if not off < _TOLERANCE:
            raise ValueError(f"{options} with the network's normalisation is off by {off:.3g} grey levels")
    except Exception as error:  # a library raises anything
        reason = str(error).split("\n")[0]
        log.warning("%s prepares images in a way that data sets do not follow: %s", told, reason)
        return None
    return options


def _seen(process: Callable[[Image.Image], Tensor], normalize: Normalize, axis: int) -> tuple[float, int]:
    """How long an image's axis (0: its width) becomes, and how much of that is kept, in pixels."""
    place = (np.mgrid[:_HEIGHT, :_WIDTH][1 - axis] + 0.5) / (_WIDTH, _HEIGHT)[axis]
    ramp = np.floor(255 * place + np.random.default_rng(0).random(place.shape))  # dithered: it has no steps
    made = process(Image.fromarray(ramp.astype(np.uint8)).convert("RGB"))
    levels = ((made.double() - normalize.offset) / normalize.scale).mean(0).mean(axis) / 255
    kept = len(levels)
    inner = slice(kept // 8, kept - kept // 8)  # edges are interpolated from one side
    slope = np.polyfit(np.arange(kept)[inner], levels.numpy()[inner], 1)[0]
    return 1 / slope, kept


def _options(across: tuple[float, int], down: tuple[float, int]) -> dict[str, Any]:
    """Options of `preprocess` that resize and cut so."""
    width, height = round(across[0]), round(down[0])
    kept = [down[1], across[1]]
    keeps_aspect = abs(width - height * _WIDTH / _HEIGHT) < 2
    if [height, width] == kept and not keeps_aspect:
        return {"size": kept}
    if kept[0] != kept[1]:
        raise ValueError(f"of an image resized to {height}×{width} it keeps {kept[0]}×{kept[1]}")
    return {**({"short_side": height} if keeps_aspect else {"size": [height, width]}), "crop": kept[0]}


def _difference(
    process: Callable[[Image.Image], Tensor],
    normalize: Normalize,
    options: dict[str, Any],
    sides: tuple[int, int],
) -> float:
    """How far a picture of soft colours is off with these options, in grey levels on average."""
    colours = np.random.default_rng(0).integers(0, 256, (10, 10, 3)).astype(np.uint8)
    picture = Image.fromarray(colours).resize(sides, Image.Resampling.BICUBIC)
    ours = normalize(preprocess(**options)(picture)[None])[0]
    return float(((process(picture).double() - ours) / normalize.scale).abs().mean())
