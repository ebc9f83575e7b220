"""One scene: handwritten digits in colour on textured ground, with everything that is to be found in it.

8×8 scans ─► enlarged ─► placed apart ─► coloured ─► blended into the ground ─► uint8 3×H×W
                └─► ink ─► instance masks ─► boxes, semantic mask
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_INK = 16  # grey level of full ink in scikit-learn's scans
_MASK_FROM = 0.5  # share of ink from which a pixel belongs to the digit
_PLACES = 100  # draws of a place before a digit is left out


class Scene(NamedTuple):
    """An image and what is in it.

    Attributes:
        image: uint8, shape ``(3, H, W)``.
        labels: The digits 0 to 9, int64, shape ``(k,)``; at least one.
        boxes: Left, top, right, bottom of each digit's mask in pixels, right and bottom exclusive; float32,
            shape ``(k, 4)``.
        masks: Which pixels are each digit's ink; bool, shape ``(k, H, W)``. No pixel belongs to two.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.int64]
    boxes: NDArray[np.float32]
    masks: NDArray[np.bool_]

    @property
    def semantic(self) -> NDArray[np.uint8]:
        """Class of every pixel: 0 for the ground, 1 to 10 for the digits 0 to 9. Shape ``(H, W)``."""
        classes: NDArray[np.uint8] = (self.masks * (self.labels + 1)[:, None, None]).sum(0).astype(np.uint8)
        return classes


def compose(
    rng: np.random.Generator,
    scans: NDArray[np.uint8],
    labels: NDArray[np.int64],
    sides: tuple[int, int],
    counts: Sequence[int],
    digit_sides: Sequence[int],
) -> Scene:
    """Compose a scene.

    Args:
        rng: Everything that is drawn is drawn from it.
        scans: Digits to choose from, ink 0 to 16, shape ``(n, 8, 8)``.
        labels: Their classes, shape ``(n,)``.
        sides: Height and width (H, W) of the scene in pixels, each at least the largest digit's.
        counts: Fewest and most digits. A digit that finds no place beside the others is left out.
        digit_sides: Smallest and largest side of a digit in pixels.
    """
    height, width = sides
    image = _ground(rng, sides)
    placed: list[tuple[int, int, int]] = []
    found: list[int] = []
    masks: list[NDArray[np.bool_]] = []
    for _ in range(rng.integers(counts[0], counts[1], endpoint=True)):
        chosen = int(rng.integers(len(scans)))
        side = int(rng.integers(digit_sides[0], digit_sides[1], endpoint=True))
        colour = rng.uniform(0.6, 1.0, size=(3, 1, 1)).astype(np.float32)
        place = _free_place(rng, placed, side, sides)
        if place is None:
            continue
        top, left = place
        scan = Image.fromarray(scans[chosen].astype(np.float32) / _INK)
        enlarged = np.asarray(scan.resize((side, side), Image.Resampling.BICUBIC))
        ink = np.zeros(sides, np.float32)
        ink[top : top + side, left : left + side] = enlarged.clip(0, 1)
        image = image * (1 - ink) + colour * ink
        placed.append((top, left, side))
        found.append(chosen)
        masks.append(ink >= _MASK_FROM)
    noise = rng.normal(0, 0.02, size=(3, height, width)).astype(np.float32)
    pixels = np.clip(255 * (image + noise), 0, 255).round().astype(np.uint8)
    every = np.stack(masks)
    return Scene(pixels, labels[found], np.stack([_box(mask) for mask in every]), every)


def _ground(rng: np.random.Generator, sides: tuple[int, int]) -> NDArray[np.float32]:
    """Dark patches and grain that run into each other, each channel by itself. Shape ``(3, H, W)``."""
    height, width = sides
    layers = []
    for cell, strength in ((16, 0.3), (4, 0.1)):
        coarse = rng.uniform(0, strength, size=(3, -(-height // cell) + 1, -(-width // cell) + 1))
        layers.append(
            np.stack(
                [
                    np.asarray(Image.fromarray(c).resize((width, height), Image.Resampling.BICUBIC))
                    for c in coarse.astype(np.float32)
                ]
            )
        )
    found: NDArray[np.float32] = np.clip(np.sum(layers, 0), 0, 1)
    return found


def _free_place(
    rng: np.random.Generator, placed: Sequence[tuple[int, int, int]], side: int, sides: tuple[int, int]
) -> tuple[int, int] | None:
    """Top and left of a square that touches none of those that are placed, or `None` after many draws."""
    for _ in range(_PLACES):
        top, left = (int(rng.integers(0, length - side, endpoint=True)) for length in sides)
        if all(top >= t + s or t >= top + side or left >= x + s or x >= left + side for t, x, s in placed):
            return top, left
    return None


def _box(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Left, top, right, bottom of a mask's pixels, right and bottom exclusive."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
