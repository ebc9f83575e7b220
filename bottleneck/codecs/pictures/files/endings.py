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


def check_markers(payload: bytes, start_of_data: bytes) -> None:
    """Refuse a JPEG or JPEG 2000 file that goes on after its end marker, or has none.

    Args:
        payload: A marker, segments of a marker and a length each, data in which no marker can occur, the
            end marker FF D9.
        start_of_data: The marker of the last segment before the data.

    Raises:
        ValueError: If the first end marker in the data is not what the file ends with.
    """
    at = 2
    while at < len(payload) and payload[at : at + 2] != start_of_data:
        at += 2 + int.from_bytes(payload[at + 2 : at + 4], "big")
    end = payload.find(b"\xff\xd9", at)
    if end < 0 or end + 2 != len(payload):
        raise ValueError("the file does not end with its end marker")
