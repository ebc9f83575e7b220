"""Where an image file ends: readers take no notice of what comes after, and a payload has nothing there."""

from __future__ import annotations


def check_boxes(payload: bytes) -> None:
    """Refuse an AVIF or HEIC file whose boxes (ISO/IEC 14496-12) do not fill it exactly.

    Raises:
        ValueError: If bytes are missing or left over.
    """
    at = 0
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 4], "big")
        if size < 8:  # 0 and 1 would mean "to the end" and "64-bit size": no small image has those
            raise ValueError(f"a box at byte {at} has size {size}")
        at += size
    if at != len(payload):
        raise ValueError(f"its boxes end at byte {at} of {len(payload)}")
