"""Channels side by side in one picture, and back.

::

    C × H × W ─► tiles in rows and columns, row by row   0 1 2 3
                 each padded to whole transform blocks   4 5 6 ·     · missing tiles are black

    C × L     ─► tokens row by row into a square map; a first row that is not full, as with a ViT's class
                 token, is filled up in front with its first token

Source: Ulhaq, BASc thesis, SFU 2020, who names blocks across two channels as a weakness left to solve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_choice, as_integer

_PICTURE_BLOCK = 16  # what JPEG's largest unit, and macroblocks of the others, divide


def _square(channels: int, height: int, width: int) -> int:
    return math.isqrt(channels - 1) + 1


def _power2(channels: int, height: int, width: int) -> int:
    return 1 << (channels - 1).bit_length() // 2


def _balanced(channels: int, height: int, width: int) -> int:
    def imbalance(rows: int) -> tuple[float, int]:
        columns = -(-channels // rows)
        return round(abs(math.log(rows * height / (columns * width))), 9), rows * columns

    return min(range(1, channels + 1), key=imbalance)


#: Rows of tiles for a number of channels and the sides of a tile. ``square``: as many rows as columns, or
#: one more. ``power2``: rows and columns are powers of two, as the channels of most networks are.
#: ``balanced``: the picture is as near to a square as it gets, with the fewest missing tiles.
LAYOUTS: dict[str, Callable[[int, int, int], int]] = {
    "square": _square,
    "power2": _power2,
    "balanced": _balanced,
}


class Tiling:
    """Where each channel lies in the picture.

    Args:
        shape: Shape of one sample, ``(C, H, W)``, or ``(C, L)`` for L tokens.
        layout: One of `LAYOUTS`.
        block: Sides of a tile are padded, by their last values, to multiples of this; 8 keeps JPEG's
            transform blocks within a channel, 1 pads nothing.

    Attributes:
        rows, columns: Of tiles.
        size: Height and width of the picture, in multiples of 16.
    """

    def __init__(self, shape: Sequence[int], layout: str, block: int) -> None:
        self.channels = shape[0]
        self._tokens = shape[1] if len(shape) == 2 else None
        if self._tokens is not None:
            side = math.isqrt(self._tokens)
            shape = (shape[0], -(-self._tokens // side) if side else 0, side)
        self.height, self.width = shape[1:]
        self.block = as_integer(block, "block", 1, 64)
        self._tile = (_round_up(self.height, self.block), _round_up(self.width, self.block))
        rows = LAYOUTS[as_choice(layout, "layout", tuple(LAYOUTS))]
        self.rows = rows(self.channels, *self._tile) if math.prod(shape) else 1
        self.columns = max(1, -(-self.channels // self.rows))
        self.size = (
            _round_up(self.rows * self._tile[0], _PICTURE_BLOCK),
            _round_up(self.columns * self._tile[1], _PICTURE_BLOCK),
        )

    def maps(self, channels: NDArray[Any]) -> NDArray[Any]:
        """Channels of a sample as maps, shape ``(C, H, W)``."""
        if self._tokens is None:
            return channels
        missing = self.height * self.width - self._tokens
        filled = np.pad(channels, ((0, 0), (missing, 0)), mode="edge")
        return filled.reshape(self.channels, self.height, self.width)

    def tile(self, channels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture of a sample, shape `size`."""
        high, wide = self._tile
        padded = np.pad(
            self.maps(channels), ((0, 0), (0, high - self.height), (0, wide - self.width)), mode="edge"
        )
        tiles = np.zeros((self.rows * self.columns, high, wide), dtype=np.uint8)
        tiles[: self.channels] = padded
        grid = tiles.reshape(self.rows, self.columns, high, wide).swapaxes(1, 2)
        picture = grid.reshape(self.rows * high, self.columns * wide)
        added = ((0, self.size[0] - picture.shape[0]), (0, self.size[1] - picture.shape[1]))
        return np.pad(picture, added, mode="edge")

    def untile(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The channels of a picture, of the sample's shape."""
        high, wide = self._tile
        grid = picture[: self.rows * high, : self.columns * wide]
        tiles = grid.reshape(self.rows, high, self.columns, wide).swapaxes(1, 2).reshape(-1, high, wide)
        maps = tiles[: self.channels, : self.height, : self.width]
        return maps if self._tokens is None else maps.reshape(self.channels, -1)[:, -self._tokens :]


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
