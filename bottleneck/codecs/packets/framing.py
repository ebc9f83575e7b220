"""A packet: which segment it is, how long it is, a checksum, and what the segment's codec wrote.

::

    segment │ length of body │ CRC-16 │ body         the first two in 7 bits a byte, the lowest first (LEB128)
    1 .. 4    1 .. 4           2

A packet says its own length, so that packets joined are a payload, and any of its beginnings that ends with a
packet is one too.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from typing import NamedTuple

from bottleneck.codecs import lengths

#: Bytes before the body of a packet at most.
LONGEST_HEADER = 2 * lengths.LONGEST + 2


class Packet(NamedTuple):
    """What a packet carries.

    Attributes:
        segment: Number of the segment.
        body: Its bytes.
    """

    segment: int
    body: bytes


def pack(packet: Packet) -> bytes:
    """The bytes of a packet."""
    numbers = lengths.written(packet.segment) + lengths.written(len(packet.body))
    return numbers + _checksum(numbers, packet.body) + packet.body


def unpack(data: bytes) -> Packet:
    """The packet of bytes that are one packet.

    Raises:
        ValueError: If they are none, or were damaged.
    """
    segment, end = lengths.read(data, 0)
    length, end = lengths.read(data, end)
    checksum, body = data[end : end + 2], data[end + 2 :]
    if len(body) != length or checksum != _checksum(data[:end], body):
        raise ValueError(f"packet of {len(data)} bytes was damaged: its length or its checksum is not right.")
    return Packet(segment, body)


def each(payload: bytes) -> Iterator[bytes]:
    """The packets that were joined to a payload, one by one, not yet checked.

    Raises:
        ValueError: After the last, if the payload does not end with it.
    """
    start = 0
    while start < len(payload):
        _, end = lengths.read(payload, start)
        length, end = lengths.read(payload, end)
        if end + 2 + length > len(payload):
            raise ValueError(
                f"payload of {len(payload)} bytes ends within a packet; it was truncated or damaged."
            )
        yield payload[start : end + 2 + length]
        start = end + 2 + length


def _checksum(numbers: bytes, body: bytes) -> bytes:
    return binascii.crc_hqx(body, binascii.crc_hqx(numbers, 0xFFFF)).to_bytes(2, "big")
