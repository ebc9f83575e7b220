"""A sample halved, and halved again: every segment has a number, from which both sides know its elements.

::

    1 ─┬─ 2 ─┬─ 4        channels: 0 .. 7 ─► 0 .. 3 │ 4 .. 7 ─► ...
       │     └─ 5        tiles: left │ right, or upper │ lower, whichever side is longer
       └─ 3 ─┬─ 6        elements: every other one
             └─ 7

How deep a sample is cut may differ from sample to sample, and within one: segments do not overlap as long as
none is half of another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_choice

Places = NDArray[np.int64]


def _groups(places: Places) -> list[Places]:
    return np.array_split(places, 2) if places.ndim and len(places) > 1 else []


def _tiles(places: Places) -> list[Places]:
    sides = places.shape[1:]
    return np.array_split(places, 2, 1 + int(np.argmax(sides))) if sides and max(sides) > 1 else []


def _interleaved(places: Places) -> list[Places]:
    flat = places.reshape(-1)
    return [flat[::2], flat[1::2]] if flat.size > 1 else []


#: Ways to cut a sample in half; no halves where there is nothing to cut.
CUTS: dict[str, Callable[[Places], list[Places]]] = {
    "channels": _groups,
    "tiles": _tiles,
    "elements": _interleaved,
}


class Segments:
    """Where each segment of a sample lies.

    Args:
        shape: Shape of one sample.
        by: One of `CUTS`.
    """

    def __init__(self, shape: Sequence[int], by: str) -> None:
        self._halve = CUTS[as_choice(by, "by", tuple(CUTS))]
        whole = np.arange(int(np.prod(shape))).reshape(tuple(shape))
        self._whole = whole.reshape(-1) if by == "elements" else whole

    def places(self, number: int) -> Places:
        """Positions in C order of a segment's elements, in the segment's own shape.

        Raises:
            ValueError: If there is no segment of that number.
        """
        if number < 1:
            raise ValueError(f"there is no segment {number}; the whole sample is number 1.")
        places = self._whole
        for bit in f"{number:b}"[1:]:
            halves = self._halve(places)
            if not halves:
                raise ValueError(f"there is no segment {number} of a sample of shape {self._whole.shape}.")
            places = halves[int(bit)]
        return places

    def halves(self, number: int) -> list[int]:
        """Numbers of a segment's two halves; none where it is a single channel, place or element."""
        return [2 * number, 2 * number + 1] if self._halve(self.places(number)) else []
