"""From earlier samples of the same stream; the first has the data set's means in its gaps."""

import itertools
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.streams.motion import PARTS, predicted, valid
from bottleneck.lossy.concealment.base import Array
from bottleneck.lossy.concealment.means import DataSetMean

_PACE = 0.3  # weight of the last sample in a running mean
_FARTHEST = 2  # cells that maps are taken to move at most, from one to the next


class Previous(DataSetMean):
    """What was there in the last sample, as it was filled."""

    name = "previous"

    def __init__(self) -> None:
        self._last: Array | None = None

    def session(self) -> Self:
        other = super().session()
        other._last = None
        return other

    def guess(self, array: Array, mask: NDArray[np.bool_], side: bytes) -> Array:
        return self.mean if self._last is None else self._last

    def remember(self, filled: Array) -> None:
        self._last = filled


class RunningMean(Previous):
    """The mean of the last samples, older ones weighing less and less."""

    name = "running-mean"

    def remember(self, filled: Array) -> None:
        before = filled if self._last is None else self._last
        self._last = before + _PACE * (filled - before)


class MotionCompensated(Previous):
    """The last map, moved as a whole by what brings it nearest to what has arrived of this one.

    Whole cells first, then halves and quarters around the best. What is no map is not moved.

    Source: Ulhaq, BASc thesis, SFU 2020: a shift of the input shifts features by that over their stride.
    """

    name = "motion"

    def guess(self, array: Array, mask: NDArray[np.bool_], side: bytes) -> Array:
        last = super().guess(array, mask, side)
        if self._last is None or array.ndim != 3 or not mask.any():
            return last
        best = (0, 0)
        for reach, step in ((_FARTHEST, PARTS), (1, PARTS // 2), (1, PARTS // 4)):
            around = [step * cells for cells in range(-reach, reach + 1)]
            tried = [(best[0] + down, best[1] + across) for down, across in itertools.product(around, around)]
            best = min([best, *tried], key=lambda vector: self._distance(vector, array, mask))
        return self._moved(best)

    def _distance(self, vector: tuple[int, int], array: Array, mask: NDArray[np.bool_]) -> float:
        """Mean squared, of what arrived and was inside the last map."""
        inside = mask & valid(array.shape, np.array([[vector]]), max(array.shape[1:]))
        squared = np.square(self._moved(vector)[inside] - array[inside])
        return float(squared.mean()) if squared.size else np.inf

    def _moved(self, vector: tuple[int, int]) -> Array:
        assert self._last is not None
        return predicted(self._last.astype(np.float32), np.array([[vector]]), max(self._last.shape[1:]))
