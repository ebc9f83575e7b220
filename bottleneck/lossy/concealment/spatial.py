"""Interpolation inside a channel: an element deviates from its mean as the neighbours that arrived do.

    · · ·      1 · ·      1 1 1
    1 · ·  ─►  1 1 ·  ─►  1 1 1    from the rims of a gap inwards, each the mean of those that are known
    · · ·      1 · ·      1 1 1

A channel of which nothing arrived is its means (`DataSetMean`).
"""

import numpy as np
from numpy.typing import NDArray

from bottleneck.lossy.concealment.base import Array
from bottleneck.lossy.concealment.means import DataSetMean


class Spatial(DataSetMean):
    """Deviations from the data set's means, interpolated from neighbours in the same channel."""

    name = "spatial"

    def guess(self, array: Array, mask: NDArray[np.bool_], side: bytes) -> Array:
        deviation, known = np.where(mask, array - self.mean, 0), mask.copy()
        while not known.all():
            total, count = np.zeros_like(deviation), np.zeros(known.shape)
            for axis in range(1, known.ndim):
                for target, source in _neighbours(axis, known.ndim):
                    total[target] += deviation[source] * known[source]
                    count[target] += known[source]
            rim = ~known & (count > 0)
            if not rim.any():  # whole channels are missing
                break
            deviation[rim] = total[rim] / count[rim]
            known |= rim
        return self.mean + deviation


def _neighbours(axis: int, n_axes: int) -> list[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Slices of elements and of their neighbours, before and behind them on an axis."""
    before, behind = (
        tuple(part if each == axis else slice(None) for each in range(n_axes))
        for part in (slice(None, -1), slice(1, None))
    )
    return [(before, behind), (behind, before)]
