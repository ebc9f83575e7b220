"""How often each symbol occurs: fitted on training symbols, used by every codec that has tables.

::

    training symbols ─► Histogram ─► Huffman table, ...      (what the coder spends)
                            └──────► ideal_bits, entropy     (what an ideal coder would spend)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs.checks import check_values

#: Symbols that can have a count of their own; any other is coded as an escape. The window bounds the
#: size of every table, whatever outlier the training data hold.
LOWEST, HIGHEST = -(2**15), 2**15 - 1

#: Bits that follow an escape: the symbol itself, as int32.
ESCAPE_BITS = 32


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
        window = np.zeros(HIGHEST - LOWEST + 1, dtype=np.int64)
        low = high = n_outside = n_arrays = 0
        for array in arrays:
            n_arrays += 1
            symbols = np.asarray(array)
            check_values(symbols, "symbols", "histogram")
            symbols = symbols.reshape(-1).astype(np.int64, copy=False)
            if symbols.size == 0:
                continue
            smallest, largest = int(symbols.min()), int(symbols.max())
            if smallest < LOWEST or largest > HIGHEST:
                inside = symbols[(symbols >= LOWEST) & (symbols <= HIGHEST)]
                n_outside += symbols.size - inside.size
                symbols = inside
                smallest, largest = (int(inside.min()), int(inside.max())) if inside.size else (0, 0)
            counts = np.bincount(symbols - smallest)
            window[smallest - LOWEST :][: counts.size] += counts
            low, high = min(low, smallest), max(high, largest)
        if n_arrays == 0:
            raise ValueError(
                "no arrays to count symbols in. Pass training symbols; a generator can be read only once."
            )
        return cls(low, window[low - LOWEST : high - LOWEST + 1], n_outside)

    @classmethod
    def from_counts(cls, counts: Mapping[int, int]) -> Histogram:
        """Take over counts made elsewhere, such as ``{0: 900, 1: 70, 5: 1}``; JSON's text keys are fine.

        Raises:
            ValueError: If a symbol is not an integer that fits int32, or a count is negative.
        """
        try:
            symbols = np.array([_as_int(symbol) for symbol in counts], dtype=np.int64)
            numbers = np.array([_as_int(count) for count in counts.values()], dtype=np.int64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"counts must map integers to integers ({error}). Pass e.g. {{0: 900, 1: 70}}."
            ) from error
        check_values(symbols, "symbols", "histogram")
        is_inside = (symbols >= LOWEST) & (symbols <= HIGHEST)
        inside = symbols[is_inside].tolist()
        low, high = min([0, *inside]), max([0, *inside])
        dense = np.zeros(high - low + 1, dtype=np.int64)
        np.add.at(dense, symbols[is_inside] - low, numbers[is_inside])
        return cls(low, dense, int(numbers[~is_inside].sum()))

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
        """The histogram that `to_dict` described.

        Raises:
            ValueError: If a key is missing or the counts make no histogram.
        """
        try:
            return cls(int(d["low"]), d["counts"], int(d["n_outside"]))
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"not a histogram ({type(error).__name__}: {error}). Pass what to_dict returned."
            ) from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # holds an array


def _as_int(value: Any) -> int:
    return int(value) if isinstance(value, str) else operator.index(value)
