"""The interval of a range coder: steps ↔ the shortest number in the interval that they narrow to.

Arithmetic is on integers below 2^56 that leave byte by byte, so equal steps are equal bytes everywhere.
"""

from __future__ import annotations

import numpy as np

from bottleneck.codecs.entropy.bitstreams.digits import to_bytes
from bottleneck.codecs.entropy.tables.frequencies import FrequencyTables
from bottleneck.codecs.jit import I32, I64, U8, U16, jit

_MOST_STEP_BYTES = 3  # a step narrows the interval to 2^-24 of its width at most


def encode(starts: I32, frequencies: I32) -> bytes:
    """The bytes of a sample's steps, see `FrequencyTables.steps`; no bytes where all zeros say it."""
    digits = np.empty(_MOST_STEP_BYTES * starts.size + 1, dtype=np.uint16)
    n_digits = _encode(starts, frequencies, digits)
    return to_bytes(digits[:n_digits])


def decode(payload: bytes, tables: FrequencyTables, index: I32, n_values: int) -> I32:
    """The symbols of a payload. Shape ``(n_values,)``.

    Args:
        payload: What `encode` returned for steps of these tables and this index.
        tables: The same as there.
        index: Likewise; `n_values` is a multiple of its size.
        n_values: Symbols of a sample.

    Raises:
        ValueError: If the payload is not what `encode` makes of any symbols.
    """
    reader = Reader(payload)
    symbols = reader.read(tables, index, n_values)
    reader.finish()
    return symbols


class Reader:
    """A payload of several parts, each with tables that may depend on the parts before it.

    Args:
        payload: What `encode` returned for the steps of all parts, one after the other.
    """

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._data = np.frombuffer(payload, dtype=np.uint8)
        start = int.from_bytes(payload[:7].ljust(7, b"\0"), "big")
        # Of the payload's number in the interval, in its units; the interval's width; the bytes used.
        self._state = np.array([start, 1 << 56, 7], dtype=np.int64)
        self._n_read = 0

    def read(self, tables: FrequencyTables, index: I32, n_values: int) -> I32:
        """The next symbols; arguments as `decode` takes them.

        Raises:
            ValueError: If the payload points to none.
        """
        symbols = np.empty(n_values, dtype=np.int32)
        done = _decode(self._data, tables.low, *tables.flat, index, symbols, self._state)
        if done < n_values:
            raise ValueError(
                f"payload of {len(self._payload)} bytes points to no symbol at {done} of {n_values}; "
                "it was damaged, or encoded with another table."
            )
        self._n_read += n_values
        return symbols

    def finish(self) -> None:
        """Refuse a payload that is not the shortest, then smallest, number of its symbols.

        Raises:
            ValueError: Of what it may be instead.
        """
        offset, width, n_used = self._state.tolist()
        written = n_used - 7  # whole bytes that the encoder wrote before its last
        n_bytes = len(self._payload)
        is_whole = n_bytes <= written
        if n_bytes == written + 1:
            room = (256 - self._payload[written]) << 48  # from its number to the next multiple of 2^56
            is_whole = offset < 1 << 48 and width - offset <= room
        if not is_whole or self._payload.endswith(b"\0"):
            raise ValueError(
                f"payload of {n_bytes} bytes is not how its {self._n_read} symbols are written; "
                "it was truncated, extended, damaged, or encoded for another shape or with another table."
            )


@jit
def _encode(starts: I32, frequencies: I32, digits: U16) -> int:
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
    return n + 1


@jit
def _decode(
    payload: U8, low: int, cumulative: I64, origins: I64, first: I32, index: I32, symbols: I32, state: I64
) -> int:
    """Read symbols until they are complete or the payload points to none, from a state on; how many."""
    n_bytes = len(payload)
    n_entries = len(cumulative) // len(origins) - 1
    n_blocks = len(index)
    per_block = len(symbols) // max(1, n_blocks)
    offset = state[0]
    width = state[1]
    n = state[2]
    for block in range(n_blocks):
        table = index[block] & 0xFFFF  # of the same value, and known to be none below 0: 7 % faster
        base = table * (n_entries + 1)
        origin = origins[table]
        buckets = table * 257
        for i in range(block * per_block, (block + 1) * per_block):
            part = width >> 24
            slot = offset // part
            if slot >= 1 << 24:
                return i
            slot = (slot + origin) & 0xFFFFFF
            bucket = buckets + (slot >> 16)
            entry = first[bucket]
            last = first[bucket + 1]
            while entry < last:
                middle = (entry + last + 1) >> 1
                if cumulative[base + middle] <= slot:
                    entry = middle
                else:
                    last = middle - 1
            start = cumulative[base + entry]
            offset -= part * ((start - origin) & 0xFFFFFF)
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
                    return i
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
                return i
            symbols[i] = literal
    state[0] = offset
    state[1] = width
    state[2] = n
    return len(symbols)
