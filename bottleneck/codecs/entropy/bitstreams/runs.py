"""Run-length codewords: symbols of n bits ↔ codewords of n + 1 bits, where runs of 0 are short.

::

    5 0 0 0 1   ─►   0 101 │ 1 010 │ 0 001        (n = 3)
                     one value       one value
                             3 zeros, sent as 3 - 1

A run has at most 2^n zeros; a longer one is split into full codewords and a remainder. Zeros are
always sent as runs; a reader accepts them as values too.

Source: Carra & Neglia, GLOBECOM 2023.
"""

from __future__ import annotations

import numpy as np

from bottleneck.codecs.entropy.bitstreams import bits as bit_fields
from bottleneck.codecs.jit import I64, U16, U32, jit


def unpack_codewords(body: bytes, bits: int, count: int) -> U16:
    """Read run-length codewords, the inverse of `Runs.codewords`. A literal 0 is accepted too.

    Args:
        body: Codewords, zero-padded to whole bytes.
        bits: n, 1 to 16.
        count: Number of symbols, known from the shape; the padding would look like literals.

    Returns:
        The symbols. Shape ``(count,)``.

    Raises:
        ValueError: If a run goes past `count`, or the body is too short, too long or badly padded.
    """
    symbols = np.zeros(count, dtype=np.uint16)
    codewords = bit_fields.fields(body, bits + 1, min(count, 8 * len(body) // (bits + 1)))
    filled, n_codewords = _expand(codewords, bits, symbols)
    if filled > count:
        raise ValueError(
            f"payload has a run of zeros that ends at element {filled} of {count}; it was damaged."
        )
    if filled < count:
        raise ValueError(
            f"payload ends at element {filled} of {count}; it was truncated, or made with other bits."
        )
    bit_fields.check_padding(body, n_codewords * (bits + 1))
    return symbols


class Runs:
    """The runs of a symbol sequence, and what they cost."""

    def __init__(self, symbols: U16, bits: int) -> None:
        self.symbols, self.bits = symbols, bits
        self.positions = np.empty(symbols.size, dtype=np.int64)  # of non-zero symbols, n_literals of them
        self.n_literals, self.n_codewords = _find_runs(symbols, bits, self.positions)

    @property
    def is_packed(self) -> bool:
        """Whether plain n-bit values take fewer bytes than codewords."""
        return self._packed_bytes < self._codeword_bytes

    @property
    def n_bytes(self) -> int:
        """Length of the shorter of the two bodies."""
        return min(self._packed_bytes, self._codeword_bytes)

    @property
    def _packed_bytes(self) -> int:
        return bit_fields.n_bytes(self.symbols.size * self.bits)

    @property
    def _codeword_bytes(self) -> int:
        return bit_fields.n_bytes(self.n_codewords * (self.bits + 1))

    def codewords(self) -> bytes:
        """The symbols as packed codewords."""
        codewords = np.empty(self.n_codewords + 1, dtype=np.uint32)  # one more: see _emit
        _emit(self.symbols, self.positions, self.n_literals, self.bits, codewords)
        return bit_fields.pack(codewords[: self.n_codewords], self.bits + 1)


@jit
def _find_runs(symbols: U16, bits: int, positions: I64) -> tuple[int, int]:
    n_literals = 0
    for i in range(len(symbols)):
        positions[n_literals] = i  # overwritten unless this is a literal: no branch to mispredict
        n_literals += symbols[i] != 0
    n_codewords = n_literals
    start = 0
    for k in range(n_literals):
        n_codewords += (positions[k] - start + (1 << bits) - 1) >> bits
        start = positions[k] + 1
    return n_literals, n_codewords + ((len(symbols) - start + (1 << bits) - 1) >> bits)


@jit
def _emit(symbols: U16, positions: I64, n_literals: int, bits: int, codewords: U32) -> None:
    longest = 1 << bits
    n = 0
    start = 0
    for k in range(n_literals + 1):
        end = positions[k] if k < n_literals else len(symbols)
        zeros = end - start
        start = end + 1
        while zeros > longest:
            codewords[n] = longest + longest - 1
            zeros -= longest
            n += 1
        codewords[n] = longest + zeros - 1  # overwritten if there are no zeros: no branch to mispredict
        n += zeros > 0
        if k < n_literals:
            codewords[n] = symbols[end]
            n += 1


@jit
def _expand(codewords: U32, bits: int, symbols: U16) -> tuple[int, int]:
    filled = 0
    n = 0
    while filled < len(symbols) and n < len(codewords):
        is_run = codewords[n] >> bits
        value = codewords[n] & ((1 << bits) - 1)
        symbols[filled] = value * (1 - is_run)
        filled += 1 + value * is_run
        n += 1
    return filled, n
