"""What a quantizer is designed on: moments and extremes of all training values, and some of the values."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Values that are kept at most: a million fix a handful of levels to three digits.
MOST_VALUES = 1 << 20


class SortedValues:
    """Values in order, so that any cells of a quantizer are summed up by a few look-ups.

    Args:
        values: Of any shape.

    Attributes:
        values: Rising, float64. Shape ``(n,)``.
    """

    def __init__(self, values: ArrayLike) -> None:
        self.values = np.sort(np.asarray(values, dtype=np.float64), axis=None)
        self._sums = np.zeros((2, self.values.size + 1))  # of the values before each, and of their squares
        np.cumsum([self.values, self.values**2], axis=1, out=self._sums[:, 1:])

    def cells(
        self, thresholds: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Number, sum and sum of squares of the values in each cell.

        Args:
            thresholds: Rising; a value at one is in the cell below it. Shape ``(n_cells - 1,)``.
        """
        inner = np.searchsorted(self.values, thresholds, side="right")
        edges = np.concatenate([[0], inner, [self.values.size]])
        sums, squares = np.diff(self._sums[:, edges])
        return np.diff(edges), sums, squares


class TrainingValues:
    """Mean, variance and extremes of every value, and a random draw of bounded size.

    The draw is seeded, and does not depend on how samples were grouped into batches.

    Args:
        samples: Single samples of any shape, without NaN; read once, one at a time.

    Attributes:
        mean, variance: Of all values; 0 where there are none.
        low, high: The extremes; 0 where there are none.
        draw: `MOST_VALUES` of the values at most; all of them where there are no more.
    """

    def __init__(self, samples: Iterable[NDArray[np.float32]]) -> None:
        self.mean, self.low, self.high = 0.0, math.inf, -math.inf
        count = 0
        squares = 0.0  # summed deviations from the mean
        share, kept = 1.0, np.empty(0, np.float32)
        fresh: list[NDArray[np.float32]] = []
        random = np.random.default_rng(0)
        for sample in samples:
            values = sample.reshape(-1)
            if not values.size:
                continue
            mean, variance = float(values.mean(dtype=np.float64)), float(values.var(dtype=np.float64))
            count += values.size
            weight = values.size / count
            squares += values.size * (variance + (mean - self.mean) ** 2 * (1 - weight))
            self.mean += (mean - self.mean) * weight
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
            fresh.append(values[random.random(values.size) < share])
            if kept.size + sum(part.size for part in fresh) > MOST_VALUES:
                kept, fresh = np.concatenate([kept, *fresh]), []
                while kept.size > MOST_VALUES:
                    kept, share = kept[random.random(kept.size) < 0.5], share / 2
        if not count:
            self.low = self.high = 0.0
        self.variance = squares / max(1, count)
        self.draw = SortedValues(np.concatenate([kept, *fresh]))
