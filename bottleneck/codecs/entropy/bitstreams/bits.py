"""Bits below the codecs: bytes ↔ 32-bit words ↔ fields of n bits, always most significant bit first.

Loops read and write whole words, which is several times faster than bytes; only this file knows
that words become big-endian bytes on the channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.jit import U32, jit


def n_bytes(bits: int) -> int:
    """Bytes that hold so many bits, the last one possibly in part."""
    return -(-bits // 8)


def empty_words(bits: int) -> U32:
    """Room for so many bits, for a loop to fill. Shape ``(ceil(bits / 32),)``."""
    return np.empty(-(-bits // 32), dtype=np.uint32)


def to_words(payload: bytes) -> U32:
    """Bytes as words, with two zero words added so that a loop may look past the end.

    Returns:
        U32 in the machine's own order. Shape ``(ceil(len(payload) / 4) + 2,)``.
    """
    words = np.zeros(-(-len(payload) // 4) + 2, dtype=">u4")
    words.view(np.uint8)[: len(payload)] = np.frombuffer(payload, dtype=np.uint8)
    return words.astype(np.uint32)


def from_words(words: U32, bits: int) -> bytes:
    """The first so many bits of the words, as bytes."""
    return words[: -(-bits // 32)].astype(">u4").tobytes()[: n_bytes(bits)]


def check_padding(payload: bytes, bits: int) -> None:
    """Refuse a payload that does not end with the byte of its last bit, or is not zero after it.

    Raises:
        ValueError: If whole bytes are missing or left over, or a padding bit is 1.
    """
    if len(payload) != n_bytes(bits):
        raise ValueError(
            f"payload has {len(payload)} bytes where {n_bytes(bits)} are expected; it was truncated, "
            "extended, or encoded for another shape or with other options. Ask for it again."
        )
    if bits % 8 and payload[-1] & (0xFF >> bits % 8):
        raise ValueError(
            f"padding bits of the last payload byte 0x{payload[-1]:02x} are not zero; it was damaged or "
            "written by another codec. Ask for it again."
        )


def pack(values: NDArray[Any], bits: int) -> bytes:
    """Write each value as a field of n bits, most significant bit first, the last byte zero-padded.

    Args:
        values: Integers in 0 .. 2**bits - 1, not checked. Shape ``(n,)``.
        bits: Width of a field, 1 to 31.

    Returns:
        ``ceil(n * bits / 8)`` bytes.
    """
    words = empty_words(len(values) * bits)
    _pack(values, bits, words)
    return from_words(words, len(values) * bits)


def unpack(payload: bytes, bits: int, count: int) -> U32:
    """Read fields of n bits, the inverse of `pack`.

    Args:
        payload: Exactly ``ceil(count * bits / 8)`` bytes.
        bits: Width of a field, 1 to 31.
        count: Number of fields.

    Returns:
        The values. Shape ``(count,)``.

    Raises:
        ValueError: If the payload has another length, or padding that is not zero.
    """
    check_padding(payload, count * bits)
    return fields(payload, bits, count)


def fields(payload: bytes, bits: int, count: int) -> U32:
    """The first fields of n bits, 1 to 31, of a payload that is long enough for them."""
    values = np.empty(count, dtype=np.uint32)
    _unpack(to_words(payload), bits, values)
    return values


@jit
def _pack(values: NDArray[Any], bits: int, words: U32) -> None:
    pending = 0  # the last bits not written yet, fewer than 32
    n_pending = 0
    w = 0
    for i in range(len(values)):
        pending = (pending << bits) | values[i]
        n_pending += bits
        if n_pending >= 32:
            n_pending -= 32
            words[w] = pending >> n_pending
            pending &= (1 << n_pending) - 1
            w += 1
    if n_pending > 0:
        words[w] = pending << (32 - n_pending)


@jit
def _unpack(words: U32, bits: int, values: U32) -> None:
    pending = 0
    n_pending = 0
    w = 0
    mask = (1 << bits) - 1
    for i in range(len(values)):
        if n_pending < bits:
            pending = ((pending & mask) << 32) | words[w]
            n_pending += 32
            w += 1
        n_pending -= bits
        values[i] = (pending >> n_pending) & mask
