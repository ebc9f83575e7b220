"""From earlier samples of the same stream; the first has the data set's means in its gaps."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from bottleneck.lossy.concealment.base import Array
from bottleneck.lossy.concealment.means import DataSetMean

_PACE = 0.3  # weight of the last sample in a running mean


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
