"""Integer frequencies: distributions that device and server share exactly, and which element uses which.

::

    table     ┌─ symbol low ─┬─ low + 1 ─┬── ... ──┬─ escape ─┐
              0              start, then a frequency           2^24

    symbols ─► steps: (start, frequency) of each symbol, and of both halves of what follows an escape

An arithmetic coder narrows its interval once per step; an ideal one spends ``24 - log2 frequency`` bits.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.entropy.tables import HIGHEST, LOWEST
from bottleneck.codecs.jit import I32, I64, jit

#: The frequencies of a table sum to 2^24. So much because rounding must cost nothing even where a symbol
#: costs 1e-5 bits: with 2^16, twenty rare symbols would take 0.0004 bits from each likely one.
TOTAL_BITS = 24
TOTAL = 1 << TOTAL_BITS

#: Entries in all tables of a codec together, escapes left out; bounds the memory of a description.
MOST_ENTRIES = HIGHEST - LOWEST + 1

#: A symbol's longest: an escape of 24 bits and the symbol's 32.
MOST_SYMBOL_BYTES = 7

_PARTS = 256


class FrequencyTables:
    """Frequencies of the symbols ``low .. high`` and of the escape, in one table or several.

    Args:
        low: First symbol.
        frequencies: Integers of at least 1 that sum to 2^24 in each row, the escape last. Shape
            ``(n_tables, high - low + 2)``.

    Attributes:
        cumulative: Sum of the frequencies before each entry, then 2^24. Shape ``(n_tables, high - low + 3)``.
        origins: Start of each table's likeliest entry. Steps count from there, around 2^24, so that the
            likeliest sample is the number 0. Shape ``(n_tables,)``.
        first: Entry at the start of each of 256 equal parts of 0 .. 2^24, then the escape: between two of
            them a decoder searches. Shape ``(n_tables, 257)``.

    Raises:
        ValueError: If these are no such frequencies.
    """

    def __init__(self, low: int, frequencies: Sequence[Sequence[int]] | I64) -> None:
        given = np.asarray(frequencies)
        if given.ndim != 2 or given.shape[0] < 1 or given.shape[1] < 2 or given.dtype.kind not in "iu":
            raise ValueError(
                "frequency tables are rows of integers, one row per table and one entry per symbol and for "
                f"the escape; got {given.dtype} of shape {given.shape}."
            )
        self.low, self.n_tables, self.n_symbols = low, len(given), given.shape[1] - 1
        if not LOWEST <= low <= low + self.n_symbols - 1 <= HIGHEST or given[:, :-1].size > MOST_ENTRIES:
            raise ValueError(
                f"frequency tables hold at most {MOST_ENTRIES} symbols within {LOWEST} .. {HIGHEST}; got "
                f"{self.n_tables} times {self.n_symbols} from {low} on."
            )
        if given.min() < 1 or given.max() > TOTAL or (given.sum(axis=1) != TOTAL).any():
            raise ValueError(
                f"frequencies of a table are 1 or more and sum to {TOTAL}; got sums {given.sum(axis=1)} with "
                f"values from {given.min()}. The description was damaged; export it again."
            )
        self.frequencies = given.astype(np.int64)
        self.cumulative = np.zeros((self.n_tables, self.n_symbols + 2), dtype=np.int64)
        np.cumsum(self.frequencies, axis=1, out=self.cumulative[:, 1:])
        self.origins = self.cumulative[np.arange(self.n_tables), self.frequencies.argmax(axis=1)]
        parts = np.arange(_PARTS + 1) * (TOTAL // _PARTS)
        self.first = np.array(
            [np.searchsorted(row[:-1], parts, side="right") - 1 for row in self.cumulative], dtype=np.int32
        )
        self.flat = self.cumulative.reshape(-1), self.origins, self.first.reshape(-1)  # as loops take them

    @classmethod
    def from_weights(cls, low: int, weights: NDArray[np.float64]) -> FrequencyTables:
        """Frequencies in proportion to weights: 1 for every entry, the rest by largest remainder.

        Args:
            low: First symbol.
            weights: Not negative, each row with a positive sum, the escape last. Shape
                ``(n_tables, n_symbols + 1)``.
        """
        to_share = TOTAL - weights.shape[1]
        share = weights / weights.sum(axis=1, keepdims=True) * to_share
        frequencies = np.floor(share).astype(np.int64)
        for row, remainder in zip(frequencies, share - frequencies, strict=True):
            row[np.argsort(-remainder, kind="stable")[: to_share - int(row.sum())]] += 1
        return cls(low, frequencies + 1)

    def steps(self, symbols: I32, index: I32) -> tuple[I32, I32]:
        """The coder's steps for a sample: one per symbol, three where it is an escape.

        Args:
            symbols: Any int32 in raster order, the first axis of the sample outermost. Shape ``(n,)``.
            index: Number of the table of each block of symbols, of equal size and one after the other.
                Shape ``(n_blocks,)``, of which n is a multiple.

        Returns:
            Starts and frequencies: what the coder narrows to ``frequency`` parts of 2^24, from the part
            ``start`` on. Each of shape ``(n + 2 * n_escapes,)``.
        """
        starts, frequencies = np.empty((2, 3 * symbols.size), dtype=np.int32)
        n_steps = _steps(symbols, self.low, *self.flat[:2], index, starts, frequencies)
        return starts[:n_steps], frequencies[:n_steps]

    def ideal_bits(self, symbols: I32, index: I32) -> float:
        """Bits that an ideal coder spends on a sample with these tables; arguments as `steps` takes them."""
        frequencies = self.steps(symbols, index)[1]
        return TOTAL_BITS * frequencies.size - float(np.log2(frequencies).sum())

    def to_dict(self) -> dict[str, Any]:
        """The tables as JSON values."""
        return {"low": self.low, "frequencies": self.frequencies.tolist()}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> FrequencyTables:
        """The tables that `to_dict` described.

        Raises:
            ValueError: If a key is missing or these are no frequencies.
        """
        try:
            low, frequencies = operator.index(d["low"]), np.asarray(d["frequencies"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"not a description of frequency tables ({type(error).__name__}: {error}). "
                "Pass what to_dict returned."
            ) from error
        return cls(low, frequencies)


@jit
def _steps(
    symbols: I32, low: int, cumulative: I64, origins: I64, index: I32, starts: I32, frequencies: I32
) -> int:
    """Look up every symbol; how many steps there are.

    The halves of what follows an escape are each one of 65,536 equally likely values.
    """
    n_entries = len(cumulative) // len(origins) - 1
    n_blocks = len(index)
    per_block = len(symbols) // max(1, n_blocks)
    n = 0
    for block in range(n_blocks):
        table = index[block]
        base = table * (n_entries + 1)
        escape = base + n_entries - 1
        origin = origins[table]
        for i in range(block * per_block, (block + 1) * per_block):
            entry = base + symbols[i] - low
            if entry < base or entry > escape:
                entry = escape
            starts[n] = (cumulative[entry] - origin) & 0xFFFFFF
            frequencies[n] = cumulative[entry + 1] - cumulative[entry]
            n += 1
            if entry == escape:
                literal = symbols[i] & 0xFFFFFFFF
                starts[n] = literal >> 16 << 8
                starts[n + 1] = (literal & 0xFFFF) << 8
                frequencies[n] = 1 << 8
                frequencies[n + 1] = 1 << 8
                n += 2
    return n
