"""Levels that trade squared error for bits: the modified entropy-constrained quantizer.

::

    levels, bits per level ─► cells: each value to the least (x - level)^2 + lagrangian · bits
           ▲                                              │
           └── inner levels: mean of their cell;  bits: -log2 of its share ◄──┘

Classical designs move every level. Here the outer ones stay at the ends of the clipping range, because the
mean of a clipped cell would take away from the largest values a second time.

Source: Cohen, Choi and Bajić, arXiv:2105.06002; the classical design is Chou, Lookabaugh and Gray, 1989.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.levels.design.scalar_quantizer import ScalarQuantizer
from bottleneck.codecs.levels.design.training_values import SortedValues

_MOST_ROUNDS = 200
_CONVERGED = 1e-9  # relative change of the cost


@dataclass(frozen=True, eq=False)
class EntropyConstrained:
    """A finished design; levels that no value used are left out.

    Attributes:
        levels: Rising, float64. Shape ``(n,)``.
        thresholds: A value at one goes to the lower level. Shape ``(n - 1,)``.
        bits: Ideal bits of each level. Shape ``(n,)``.
        squared_error: Mean over the values, after clipping.
        rate: Ideal bits per value.
        rounds: How often cells and levels were updated.
    """

    levels: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    bits: NDArray[np.float64]
    squared_error: float
    rate: float
    rounds: int

    @classmethod
    def design(
        cls,
        values: SortedValues,
        low: float,
        high: float,
        n_levels: int,
        lagrangian: float,
        pinned: bool = True,
        most_rounds: int = _MOST_ROUNDS,
    ) -> EntropyConstrained:
        """Minimise squared error plus `lagrangian` times ideal bits, from the uniform quantizer on.

        Args:
            values: At least one.
            low: Lower end of the range that values are clipped to.
            high: Its upper end.
            n_levels: Levels at the start.
            lagrangian: Squared error that one bit is worth, in squared units of the values. 0: no price on
                bits (Lloyd-Max with pinned ends). Larger: fewer bits, more error.
            pinned: Whether the outer levels stay at the ends; False is the classical design.
            most_rounds: Of updates, if the cost has not converged before.
        """
        clipped = SortedValues(values.values.clip(low, high))
        n = clipped.values.size
        levels, bits = np.linspace(low, high, n_levels), np.full(n_levels, np.log2(n_levels))
        movable = np.ones(n_levels, dtype=bool)
        movable[[0, -1]] = not pinned
        cost, rounds = np.inf, 0
        while rounds < most_rounds:
            counts, sums, squares = _assign(clipped, levels, bits, lagrangian)
            moved = movable & (counts > 0)
            levels[moved] = sums[moved] / counts[moved]
            bits = -np.log2(np.maximum(counts, 0.5) / n)
            squared_error = float((squares - 2 * levels * sums + levels**2 * counts).sum()) / n
            rate = float(bits @ counts) / n
            previous, cost = cost, squared_error + lagrangian * rate
            rounds += 1
            if previous - cost <= _CONVERGED * previous < np.inf:
                break
        counts, _, _ = _assign(clipped, levels, bits, lagrangian)
        used = counts > 0
        used[[0, -1]] = True
        kept, thresholds = _cells(levels[used], bits[used], lagrangian)
        return cls(levels[used][kept], thresholds, bits[used][kept], squared_error, rate, rounds)

    @property
    def quantizer(self) -> ScalarQuantizer:
        return ScalarQuantizer.with_ties_below(self.levels, self.thresholds)


def _assign(
    values: SortedValues, levels: NDArray[np.float64], bits: NDArray[np.float64], lagrangian: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Number, sum and sum of squares of each level's values; zeros for a level that is never cheapest."""
    kept, thresholds = _cells(levels, bits, lagrangian)
    counts = np.zeros(levels.size, dtype=np.int64)
    sums, squares = np.zeros((2, levels.size))
    counts[kept], sums[kept], squares[kept] = values.cells(thresholds)
    return counts, sums, squares


def _cells(
    levels: NDArray[np.float64], bits: NDArray[np.float64], lagrangian: float
) -> tuple[list[int], NDArray[np.float64]]:
    """The levels that are cheapest somewhere, in order, and the thresholds between them.

    Without x^2, costs are lines ``-2 level x + ...``, and this is their lower envelope.
    """
    kept: list[int] = []
    thresholds: list[float] = []
    for new in np.lexsort((bits, levels)).tolist():
        if kept and levels[new] == levels[kept[-1]]:
            continue  # as good as the other, at more bits
        while kept:
            last = kept[-1]
            distance = levels[new] - levels[last]
            middle = (levels[new] + levels[last]) / 2
            threshold = float(middle + lagrangian * (bits[new] - bits[last]) / (2 * distance))
            if not thresholds or threshold > thresholds[-1]:
                thresholds.append(threshold)
                break
            kept.pop()
            thresholds.pop()
        kept.append(new)
    return kept, np.array(thresholds)
