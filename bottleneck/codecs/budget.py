"""A number of bytes that a payload must keep to, and the search for the best quality that does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bottleneck.codecs.checks import as_integer


def as_budget(max_bytes: Any) -> int | None:
    """The option `max_bytes`: a number of bytes, or None for no limit."""
    return None if max_bytes is None else as_integer(max_bytes, "max_bytes", 1, 2**31 - 1)


def best_within(max_bytes: int | None, qualities: Sequence[int], write: Callable[[int], bytes]) -> bytes:
    """The payload at the best quality that keeps to a number of bytes.

    Size grows with quality only approximately, so bisection may miss a slightly better quality; what it
    returns has been written and measured.

    Args:
        max_bytes: The limit; None takes the best quality.
        qualities: From worst to best.
        write: Payload at a quality.

    Raises:
        ValueError: If not even the worst qualities fit.
    """
    if max_bytes is None:
        return write(qualities[-1])
    best, smallest = None, None
    low, high = 0, len(qualities)
    while low < high:
        middle = (low + high) // 2
        payload = write(qualities[middle])
        smallest = min(len(payload), smallest or len(payload))
        if len(payload) <= max_bytes:
            best, low = payload, middle + 1
        else:
            high = middle
    if best is None:
        raise ValueError(
            f"max_bytes={max_bytes} is too little: the smallest payload found has {smallest} bytes. "
            "Allow more."
        )
    return best
