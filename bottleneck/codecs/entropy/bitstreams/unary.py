"""Few levels in truncated unary, each bit's probability learnt on the way, as arithmetic code.

::

    index, 4 levels:   0 ─► 0     1 ─► 1 0     2 ─► 1 1 0     3 ─► 1 1 1
                            │          │ │          │ │ │
    context, one a place:   0          0 1          0 1 2

By the chain rule the bits of an index cost what the index costs under its own distribution, so levels need
no table of several symbols. Two estimates per context, a quick and a slow one, follow what the sample does:
where channels differ, payloads end up below what one distribution of the whole sample would need.

The payload is the shortest number in the final interval, without trailing zeros; the decoder reads zeros
past its end. Arithmetic is on integers below 2^41, so equal indices are equal bytes everywhere.

Source: Cohen, Choi and Bajić, arXiv:2105.06002, who use the engine of the CABAC video coders; this one, and
its ending, are ours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.entropy.bitstreams.digits import to_bytes
from bottleneck.codecs.jit import I64, U8, U16, jit

#: Estimates are probabilities of a 0 in 2^-16, and the coder uses them within these bounds.
ONE = 1 << 16
LEAST, MOST = 64, ONE - 64

#: Windows of the quick and the slow estimate, as powers of two: about 16 and 128 bits of the same context.
SHIFTS = (4, 7)

#: The shift that leaves an estimate as it is.
NEVER = 16


class Contexts(NamedTuple):
    """What is known of the bits before the first of them.

    Attributes:
        initial: First estimates, from 1 to 2^16 - 1; one context less than there are levels.
        shifts: Windows of the quick and the slow estimate, as powers of two; `NEVER`: not updated.
    """

    initial: I64
    shifts: tuple[int, int] = SHIFTS

    @classmethod
    def from_counts(cls, counts: I64, shifts: tuple[int, int] = SHIFTS) -> Contexts:
        """First estimates from how often each level occurs, plus one. Shape ``(n_levels,)``."""
        smoothed = counts + 1.0
        stops = smoothed / smoothed[::-1].cumsum()[::-1]  # share of this level among it and those above
        return cls(np.rint(stops[:-1] * ONE).astype(np.int64).clip(LEAST, MOST), shifts)

    def level_bits(self) -> NDArray[np.float64]:
        """Ideal bits of each level under the first estimates. Shape ``(n_levels,)``."""
        stops = np.append(self.initial / ONE, 1.0)
        goes_on = np.concatenate([[0.0], np.log2(1 - stops[:-1]).cumsum()])
        bits: NDArray[np.float64] = -goes_on - np.log2(stops)
        return bits


def longest(n_values: int, n_levels: int) -> int:
    """Bytes at most: a bit of the unary code narrows the interval to 2^-11 at most."""
    return n_values * (n_levels - 1) * 3 // 2 + 5


def encode(indices: U8, contexts: Contexts) -> bytes:
    """Code indices of levels, from 0 to ``len(contexts.initial)``, shape ``(n,)``."""
    n_bits = indices.size + int(indices.sum(dtype=np.int64))
    digits = np.empty(n_bits * 3 // 2 + 5, dtype=np.uint16)  # a bit narrows the interval to 2^-11 at most
    initial, shifts = contexts
    n_digits, width = _encode(indices, initial.copy(), initial.copy(), *shifts, digits)
    n_digits = _shorten(digits, n_digits, width)
    return to_bytes(digits[:n_digits])


def decode(payload: bytes, n_values: int, contexts: Contexts) -> U8:
    """Indices of levels from what `encode` returned for the same contexts. Shape ``(n_values,)``.

    Raises:
        ValueError: If the payload is not what `encode` makes of any indices.
    """
    initial, shifts = contexts
    indices = np.empty(n_values, dtype=np.uint8)
    data = np.frombuffer(payload, dtype=np.uint8)
    is_whole = _decode(data, initial.copy(), initial.copy(), *shifts, indices)
    if not is_whole or payload.endswith(b"\0"):
        raise ValueError(
            f"payload of {len(payload)} bytes is not how its {n_values} levels are written; it was "
            "truncated, extended, damaged, or encoded for another shape or with another table."
        )
    return indices


@jit
def _encode(
    indices: U8, quick: I64, slow: I64, quick_shift: int, slow_shift: int, digits: U16
) -> tuple[int, int]:
    """Narrow the interval by every bit and write its lower end; how many digits, and the interval's width.

    The interval is ``low .. low + width - 1`` after the digits written, in units of 2^-32 of the last one.
    Between bits 2^24 <= width < 2^32; bit 32 of `low` is a carry, kept in the next digit. The estimates are
    updated in place.
    """
    n_contexts = len(quick)
    low = 0
    width = (1 << 32) - 1
    n = 0
    for i in range(len(indices)):
        index = indices[i]
        for k in range(min(index + 1, n_contexts)):
            p = (quick[k] + slow[k]) >> 1
            if p < LEAST:
                p = LEAST
            elif p > MOST:
                p = MOST
            bound = (width >> 16) * p
            if k < index:
                low += bound
                width -= bound
                quick[k] -= quick[k] >> quick_shift
                slow[k] -= slow[k] >> slow_shift
            else:
                width = bound
                quick[k] += (ONE - quick[k]) >> quick_shift
                slow[k] += (ONE - slow[k]) >> slow_shift
            while width < 1 << 24:
                digits[n] = low >> 24
                low = (low & 0xFFFFFF) << 8
                width <<= 8
                n += 1
    for _ in range(4):
        digits[n] = low >> 24
        low = (low & 0xFFFFFF) << 8
        n += 1
    return n, width


@jit
def _shorten(digits: U16, n: int, width: int) -> int:
    """Replace the lower end of an interval by the shortest, then smallest, number in it; how many digits.

    All digits but the last four are enough where the interval has a multiple of their unit; one more always
    is.
    """
    n -= 4
    low = 0
    for k in range(4):
        low = (low << 8) + digits[n + k]
    number = -(-low >> 32) << 32
    if number >= low + width:
        number = -(-low >> 24) << 24
    digits[n] = number >> 24
    return n + 1


@jit
def _decode(payload: U8, quick: I64, slow: I64, quick_shift: int, slow_shift: int, indices: U8) -> bool:
    """Read every index; whether the payload is their shortest, then smallest, number.

    Any bytes point to indices, but for a number at the very end of the first interval.
    """
    n_contexts = len(quick)
    n_bytes = len(payload)
    offset = 0  # of the payload's number in the interval, in its units
    width = (1 << 32) - 1
    n = 0
    while n < 4:
        offset = offset << 8 | (payload[n] if n < n_bytes else 0)
        n += 1
    if offset >= width:
        return False
    for i in range(len(indices)):
        k = 0
        while k < n_contexts:
            p = (quick[k] + slow[k]) >> 1
            if p < LEAST:
                p = LEAST
            elif p > MOST:
                p = MOST
            bound = (width >> 16) * p
            is_zero = offset < bound
            if is_zero:
                width = bound
                quick[k] += (ONE - quick[k]) >> quick_shift
                slow[k] += (ONE - slow[k]) >> slow_shift
            else:
                offset -= bound
                width -= bound
                quick[k] -= quick[k] >> quick_shift
                slow[k] -= slow[k] >> slow_shift
            while width < 1 << 24:
                offset = offset << 8 | (payload[n] if n < n_bytes else 0)
                width <<= 8
                n += 1
            if is_zero:
                break
            k += 1
        indices[i] = k
    written = n - 4  # whole bytes that the encoder wrote before its last
    if n_bytes <= written:
        return True
    if n_bytes > written + 1:
        return False
    room = (256 - payload[written]) << 24  # from the payload's number to the next multiple of 2^32
    return offset < 1 << 24 and width - offset <= room
