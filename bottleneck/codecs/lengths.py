"""Whole numbers in as few bytes as they need, before what they are the length of.

Seven bits a byte, the lowest first, the eighth set while more follow (LEB128).
"""

from __future__ import annotations

#: Bytes of a number at most; so numbers are below 2^28.
LONGEST = 4


def written(number: int) -> bytes:
    """The bytes of a number."""
    digits = []
    while number > 0x7F:
        digits.append(0x80 | (number & 0x7F))
        number >>= 7
    return bytes([*digits, number])


def read(data: bytes, start: int) -> tuple[int, int]:
    """A number, and where it ends.

    Raises:
        ValueError: If none begins there.
    """
    number = 0
    for place, digit in enumerate(data[start : start + LONGEST]):
        number |= (digit & 0x7F) << 7 * place
        if digit < 0x80:
            return number, start + place + 1
    raise ValueError(
        f"no length stands at byte {start} of {len(data)}; the payload was truncated or damaged."
    )
