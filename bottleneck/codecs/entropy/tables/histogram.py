"""How often each symbol occurs: fitted on training symbols, used by every codec that has tables.

::

    training symbols ─► Histogram ─► Huffman table, ...      (what the coder spends)
                            └──────► ideal_bits, entropy     (what an ideal coder would spend)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs.checks import check_values
from bottleneck.codecs.entropy.tables import ESCAPE_BITS, HIGHEST, LOWEST
from bottleneck.codecs.entropy.tables.channels import ChannelCounts


class Histogram:
    """Counts of the integer symbols ``low .. high``, and of those outside.

    The distribution that a coder is given is smoothed: each symbol of the range counts once more
    than it was seen, and an escape counts once, so that every int32 can be coded.

    Attributes:
        low: First symbol of the range; never above 0.
        high: Last symbol of the range; never below 0.
        counts: How often each symbol was seen, int64. Shape ``(high - low + 1,)``.
        n_outside: How many symbols were seen outside ``LOWEST .. HIGHEST``; they count as escapes.
    """

    def __init__(self, low: int, counts: ArrayLike, n_outside: int = 0) -> None:
        given = np.asarray(counts)
        high = low + given.size - 1
        if given.ndim != 1 or given.dtype.kind not in "iu" or not LOWEST <= low <= 0 <= high <= HIGHEST:
            raise ValueError(
                f"a histogram needs one integer count per symbol of a range with 0 in it, within {LOWEST} .. "
                f"{HIGHEST}; got {given.dtype} counts of shape {given.shape} from {low} to {high}."
            )
        self.low, self.high, self.n_outside = low, high, n_outside
        self.counts = given.astype(np.int64)
        if n_outside < 0 or self.counts.min() < 0:
            raise ValueError(f"counts must not be negative; got {min(n_outside, int(self.counts.min()))}.")

    @classmethod
    def fit(cls, arrays: Iterable[ArrayLike]) -> Histogram:
        """Count symbols in one pass, holding one array at a time.

        Args:
            arrays: Integer arrays of any shape, values in int32.

        Raises:
            ValueError: If there is no array at all, or one does not hold integers.
        """
        counted = None
        for array in arrays:
            symbols = np.asarray(array)
            check_values(symbols, "symbols", "histogram")
            counted = counted or ChannelCounts(())
            counted.add(symbols)
        if counted is None:
            raise ValueError(
                "no arrays to count symbols in. Pass training symbols; a generator can be read only once."
            )
        *counts, n_outside = counted.counts.sum(axis=(0, 1)).tolist()
        return cls(counted.low, counts, n_outside)

    @property
    def smoothed(self) -> NDArray[np.int64]:
        """Counts plus one, what a coder's table is built on. Shape ``(high - low + 1,)``."""
        return self.counts + 1

    @property
    def escape(self) -> int:
        """Count of the escape in the smoothed distribution, at least 1."""
        return self.n_outside + 1

    def ideal_bits(self, array: ArrayLike) -> float:
        """Bits that an ideal coder with this (smoothed) distribution spends on an array.

        Each symbol costs ``-log2 p``; a symbol outside the range costs the escape's ``-log2 p``
        plus 32. On symbols that are distributed like this no coder averages less.

        Args:
            array: Integer symbols of any shape.

        Returns:
            Bits for the whole array (not per symbol, not per pixel).

        Raises:
            ValueError: If the array does not hold integers that fit int32.
        """
        symbols = np.asarray(array)
        check_values(symbols, "symbols", "histogram")
        symbols = symbols.reshape(-1).astype(np.int64, copy=False)
        inside = symbols[(symbols >= self.low) & (symbols <= self.high)]
        seen = np.bincount(inside - self.low, minlength=self.counts.size)
        smoothed = self.smoothed
        total = math.log2(int(smoothed.sum()) + self.escape)
        bits = float(seen @ (total - np.log2(smoothed)))
        return bits + (symbols.size - inside.size) * (total - math.log2(self.escape) + ESCAPE_BITS)

    def entropy(self) -> float:
        """Entropy of the symbols as they were seen (not smoothed), in bits per symbol.

        This is the floor for any coder that treats symbols as independent, on the very data that
        were counted; ``ideal_bits`` of other data is usually above it. 0 where nothing was seen.
        """
        counts = np.array([*self.counts.tolist(), self.n_outside])
        p = counts[counts > 0] / max(1, int(counts.sum()))
        return float(-(p @ np.log2(p))) + 0.0  # + 0.0: never minus zero

    def to_dict(self) -> dict[str, Any]:
        """The histogram as JSON values."""
        return {"low": self.low, "counts": self.counts.tolist(), "n_outside": self.n_outside}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Histogram:
        """The histogram that `to_dict` described; ValueError where its counts make none."""
        return cls(int(d["low"]), d["counts"], int(d["n_outside"]))
