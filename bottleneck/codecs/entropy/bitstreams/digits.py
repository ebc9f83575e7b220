"""The digits that an arithmetic coder writes, with carries still in them, as the bytes of a payload."""

from __future__ import annotations

import numpy as np

from bottleneck.codecs.jit import U16, jit


def to_bytes(digits: U16) -> bytes:
    """A number in base 256 without trailing zeros; each of its digits may carry into the one before.

    The digits are changed. Shape ``(n,)``, the most significant first.
    """
    _carry(digits)
    return digits.astype(np.uint8).tobytes().rstrip(b"\0")


@jit
def _carry(digits: U16) -> None:
    for k in range(len(digits) - 1, 0, -1):
        digits[k - 1] += digits[k] >> 8
        digits[k] &= 255
