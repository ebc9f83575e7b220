"""Symbols 0 .. N-1 in hardly more than log2 N bits each, for N that is no power of two as well.

::

    2 0 6 │ 1 5 3   (N = 7)   ─►   2·49 + 0·7 + 6 │ 1·49 + 5·7 + 3   ─►   fields of 9 bits, as 7³ = 343 < 2⁹

A group of k symbols is one number below N^k in a field of at most 31 bits; k is the one that wastes
least, so seven levels take 2.82 bits where log2 7 = 2.81, and a power of two takes exactly n.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.entropy.bitstreams import bits

_MOST_BITS = 31


def grouping(levels: int) -> tuple[int, int]:
    """How many symbols share a field, and the bits of that field."""
    sizes = range(1, int(_MOST_BITS / math.log2(levels)) + 1)
    return min(((k, (levels**k - 1).bit_length()) for k in sizes), key=lambda group: group[1] / group[0])


def n_bytes(count: int, levels: int) -> int:
    """Bytes that so many symbols take."""
    size, width = grouping(levels)
    return bits.n_bytes(-(-count // size) * width)


def pack_groups(symbols: NDArray[Any], levels: int) -> bytes:
    """Write symbols group by group, the last group filled up with zeros.

    Args:
        symbols: Integers below `levels`, not checked. Shape ``(n,)``.
        levels: N, 2 to 65,536.
    """
    size, width = grouping(levels)
    if size == 1:
        return bits.pack(symbols, width)
    digits = np.zeros(-(-symbols.size // size) * size, dtype=np.int64)
    digits[: symbols.size] = symbols
    return bits.pack(digits.reshape(-1, size) @ _weights(levels, size), width)


def unpack_groups(body: bytes, levels: int, count: int) -> NDArray[np.uint16]:
    """Read symbols, the inverse of `pack_groups`.

    Raises:
        ValueError: If the body has another length, or a group that cannot be.
    """
    size, width = grouping(levels)
    fields = bits.unpack(body, width, -(-count // size))
    if size == 1 and levels == 1 << width:
        return fields.astype(np.uint16)
    groups = fields.astype(np.int64)
    digits = (groups[:, None] // _weights(levels, size)).reshape(-1)
    if groups.size and (groups.max() >= levels**size or (digits[count:] % levels).any()):
        raise ValueError(
            f"payload has a number beyond {size} symbols of {levels} levels, or symbols after the last one; "
            "it was damaged, or made with other levels."
        )
    return (digits[:count] % levels).astype(np.uint16)


def _weights(levels: int, size: int) -> NDArray[np.int64]:
    return levels ** np.arange(size - 1, -1, -1, dtype=np.int64)
