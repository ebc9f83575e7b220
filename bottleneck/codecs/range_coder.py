"""Range coder: arithmetic coding with static integer tables, down to a fraction of a bit per symbol.

::

    training symbols ─► ChannelCounts ─► FrequencyTables ─► to_dict ─► device and server
                                                │
    symbols ─► steps (start, frequency) ─► interval ─► the shortest bytes that point into it ─► payload

The payload is a fraction in base 256 without trailing zeros: the decoder reads zeros past its end, so the
likeliest samples are few bytes, or none. No payload is longer than its ideal bits rounded up to bytes.

Arithmetic is on integers below 2^56 that leave byte by byte, so equal symbols are equal bytes everywhere.

Source: G. N. N. Martin, "Range encoding", 1979. Tables and ending are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs.base import Codec
from bottleneck.codecs.channels import ChannelCounts
from bottleneck.codecs.frequencies import FrequencyTables
from bottleneck.codecs.jit import jit

_MOST_STEP_BYTES = 3  # a step narrows the interval to 2^-24 of its width at most


class RangeCoder(Codec):
    """Codes a sample as one number in an interval as wide as the sample is likely.

    Symbols outside the range of the training data are an escape and 32 bits, so every int32 can be coded.

    Args:
        shape: Shape of one sample of symbols. Where there are two axes or more, the first is the latent
            channel, and each channel gets a table of its own if that pays for itself (`ChannelCounts`).

    Attributes:
        tables: What `fit` made; None before.
    """

    name = "range"
    input = "symbols"

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(shape)
        self.tables: FrequencyTables | None = None

    @property
    def fitted(self) -> bool:
        return self.tables is not None

    def fit(self, arrays: Iterable[ArrayLike]) -> Self:
        """Make the tables from training symbols; one for all channels or one for each, whichever pays.

        Raises:
            ValueError: If there are no samples, or one has another shape or dtype.
        """
        counted = ChannelCounts.fit(self._checked_samples(arrays), self.shape)
        self.tables = FrequencyTables.from_weights(counted.low, counted.weights())
        return self

    def ideal_bits(self, array: ArrayLike) -> float:
        self._require_tables("ideal_bits")
        assert self.tables is not None
        return self.tables.ideal_bits(self._checked(array).reshape(-1))

    def _tables(self) -> dict[str, Any]:
        assert self.tables is not None
        return self.tables.to_dict()

    def _load_tables(self, tables: Mapping[str, Any]) -> None:
        loaded = FrequencyTables.from_dict(tables)
        if loaded.n_tables != 1 and (len(self.shape) < 2 or loaded.n_tables != self.shape[0]):
            raise ValueError(
                f"description has {loaded.n_tables} tables where shape {self.shape} takes 1, or one per "
                "channel; it was damaged. Export it again."
            )
        self.tables = loaded

    def _encode(self, array: NDArray[Any]) -> bytes:
        assert self.tables is not None
        starts, frequencies = self.tables.steps(array.reshape(-1))
        digits = np.empty(_MOST_STEP_BYTES * starts.size + 1, dtype=np.uint16)
        n_digits = _encode(starts, frequencies, digits)
        return digits[:n_digits].astype(np.uint8).tobytes().rstrip(b"\0")

    def _decode(self, payload: bytes) -> NDArray[Any]:
        assert self.tables is not None
        tables = self.tables
        symbols = np.empty(self.n_values, dtype=np.int32)
        done, is_whole = _decode(
            np.frombuffer(payload, dtype=np.uint8),
            tables.low,
            tables.cumulative.reshape(-1),
            tables.origins,
            tables.first.reshape(-1),
            symbols,
        )
        if done < self.n_values:
            raise ValueError(
                f"payload of {len(payload)} bytes points to no symbol at {done} of {self.n_values}; "
                "it was damaged, or encoded with another table."
            )
        if not is_whole or payload.endswith(b"\0"):
            raise ValueError(
                f"payload of {len(payload)} bytes is not how its {self.n_values} symbols are written; "
                "it was truncated, extended, damaged, or encoded for another shape or with another table."
            )
        return symbols


@jit
def _encode(starts: NDArray[np.int32], frequencies: NDArray[np.int32], digits: NDArray[np.uint16]) -> int:
    """Write the shortest, then smallest, number in the interval of all steps; how many bytes.

    The interval is ``low .. low + width - 1`` after the digits written, in units of 2^-56 of the last one.
    Between steps 2^48 <= width <= 2^56; bit 56 of `low` is a carry, kept in the next digit until the end.
    """
    low = 0
    width = 1 << 56
    n = 0
    for i in range(len(starts)):
        part = width >> 24
        low += part * starts[i]
        width = part * frequencies[i]
        while width < 1 << 48:
            digits[n] = low >> 48
            low = (low & ((1 << 48) - 1)) << 8
            width <<= 8
            n += 1
    # The digits written are enough where the interval has a multiple of 2^56; one more always is.
    number = -(-low >> 56) << 56
    if number >= low + width:
        number = -(-low >> 48) << 48
    digits[n] = number >> 48
    for k in range(n, 0, -1):
        digits[k - 1] += digits[k] >> 8
        digits[k] &= 255
    return n + 1


@jit
def _decode(
    payload: NDArray[np.uint8],
    low: int,
    cumulative: NDArray[np.int64],
    origins: NDArray[np.int64],
    first: NDArray[np.int32],
    symbols: NDArray[np.int32],
) -> tuple[int, bool]:
    """Read symbols until they are complete or the payload points to none.

    Returns:
        How many; whether the payload is their shortest, then smallest, number, but for trailing zeros.
    """
    n_bytes = len(payload)
    n_tables = len(origins)
    n_entries = len(cumulative) // n_tables - 1
    per_table = len(symbols) // n_tables
    offset = 0  # of the payload's number in the interval, in its units
    width = 1 << 56
    n = 0
    while n < 7:
        offset = offset << 8 | (payload[n] if n < n_bytes else 0)
        n += 1
    for table in range(n_tables):
        base = table * (n_entries + 1)
        for i in range(table * per_table, (table + 1) * per_table):
            part = width >> 24
            slot = offset // part
            if slot >= 1 << 24:
                return i, False
            slot = (slot + origins[table]) & 0xFFFFFF
            bucket = table * 257 + (slot >> 16)
            entry = first[bucket]
            last = first[bucket + 1]
            while entry < last:
                middle = (entry + last + 1) >> 1
                if cumulative[base + middle] <= slot:
                    entry = middle
                else:
                    last = middle - 1
            start = cumulative[base + entry]
            offset -= part * ((start - origins[table]) & 0xFFFFFF)
            width = part * (cumulative[base + entry + 1] - start)
            while width < 1 << 48:
                offset = offset << 8 | (payload[n] if n < n_bytes else 0)
                width <<= 8
                n += 1
            if entry < n_entries - 1:
                symbols[i] = low + entry
                continue
            literal = 0
            for _ in range(2):
                part = width >> 24
                half = (offset // part) >> 8
                if half >= 1 << 16:
                    return i, False
                offset -= part * (half << 8)
                width = part << 8
                while width < 1 << 48:
                    offset = offset << 8 | (payload[n] if n < n_bytes else 0)
                    width <<= 8
                    n += 1
                literal = literal << 16 | half
            literal -= (literal >> 31) << 32
            entry = literal - low
            if 0 <= entry < n_entries - 1:
                return i, False
            symbols[i] = literal
    written = n - 7  # whole bytes that the encoder wrote before its last
    if n_bytes <= written:
        return len(symbols), True
    if n_bytes > written + 1:
        return len(symbols), False
    room = (256 - payload[written]) << 48  # from the payload's number to the next multiple of 2^56
    return len(symbols), offset < 1 << 48 and width - offset <= room
