"""Packets of a frame in as few datagrams as hold them, each saying where it belongs.

    stream  frame  offset  total  flags  point   body
    u16     u32    u32     u32    u8     u8      whole packets; a packet longer than that is cut

    flags: 1 the last of its frame, 2 begins with a packet

A datagram is sent as soon as the next packet would not fit, and what is left at the end of the frame. Numbers
are big-endian.

Source: Ulhaq, BASc thesis, SFU 2020, whose packetiser flushes at the end of a tensor.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

LONGEST_FRAME = 1 << 20  # bytes
_HEADER = struct.Struct(">HIIIBB")
_LAST, _BEGINS = 1, 2


class Datagram(NamedTuple):
    """A part of a frame.

    Attributes:
        stream: Of frames, one for each device.
        frame: Number in the stream.
        offset: Where the body lies in the frame's bytes.
        total: Bytes of the frame.
        begins: Whether a packet begins with the body.
        point: Number of the operating point that the frame is coded for.
        body: The bytes.
    """

    stream: int
    frame: int
    offset: int
    total: int
    begins: bool
    point: int
    body: bytes

    def pack(self) -> bytes:
        """The bytes of the datagram."""
        last = self.offset + len(self.body) == self.total
        flags = _LAST * last | _BEGINS * self.begins
        header = _HEADER.pack(self.stream, self.frame, self.offset, self.total, flags, self.point)
        return header + self.body

    @classmethod
    def unpack(cls, data: bytes) -> "Datagram":
        """The datagram of bytes.

        Raises:
            ValueError: If they are none.
        """
        if len(data) <= _HEADER.size:
            raise ValueError(f"{len(data)} bytes are no datagram, which has more than {_HEADER.size}.")
        stream, frame, offset, total, flags, point = _HEADER.unpack_from(data)
        found = cls(stream, frame, offset, total, bool(flags & _BEGINS), point, data[_HEADER.size :])
        end = offset + len(found.body)
        if (
            flags > (_LAST | _BEGINS)
            or end > total
            or total > LONGEST_FRAME
            or (end == total) != flags & _LAST
        ):
            raise ValueError(
                f"a datagram says bytes {offset} to {end} of {total}, flags {flags}: it was damaged."
            )
        return found


def room(mtu: int) -> int:
    """Bytes of packets that a datagram of at most so many has room for.

    Raises:
        ValueError: If the header leaves no room.
    """
    if not _HEADER.size < mtu <= 65_507:
        raise ValueError(
            f"mtu={mtu} leaves no room behind a datagram's header of {_HEADER.size} bytes, or is more than "
            "the 65,507 of UDP."
        )
    return mtu - _HEADER.size


class Packetiser:
    """Cuts the frames of one stream into datagrams.

    Args:
        stream: Its number.
        mtu: Bytes of a datagram at most, its header included.

    Raises:
        ValueError: If the header leaves no room.
    """

    def __init__(self, stream: int, mtu: int = 1472):
        self.stream, self.room = stream, room(mtu)
        if not 0 <= stream < 1 << 16:
            raise ValueError(f"stream={stream} is no number below 65,536.")

    def cut(self, frame: int, packets: Sequence[bytes], point: int = 0) -> list[bytes]:
        """The datagrams of a frame.

        Args:
            frame: Its number; each is higher than the one before.
            packets: Its packets, or one payload.
            point: Number of the operating point, where the receiver needs one.

        Raises:
            ValueError: If it is empty, or too long.
        """
        total = sum(map(len, packets))
        if not 0 < total <= LONGEST_FRAME:
            raise ValueError(f"a frame of {total} bytes: give 1 to {LONGEST_FRAME}.")
        datagrams, offset = [], 0
        for begins, body in self._bodies(packets):
            datagrams.append(Datagram(self.stream, frame, offset, total, begins, point, body).pack())
            offset += len(body)
        return datagrams

    def _bodies(self, packets: Sequence[bytes]) -> Iterator[tuple[bool, bytes]]:
        body = b""
        for packet in packets:
            if body and len(body) + len(packet) > self.room:
                yield True, body
                body = b""
            body += packet
            begins = True
            while len(body) > self.room:
                yield begins, body[: self.room]
                body, begins = body[self.room :], False
            if not begins:  # the rest of a long packet has no other behind it
                yield False, body
                body = b""
        if body:
            yield True, body
