"""What travels on the stream between device and server: bytes in, messages out, and nothing else is believed.

    version  kind  flags  id   body   crc
    u8       u8    u8     u32  ...          crc32

    Frame         device ──► server   u8 point, payload
    Probe         device ──► server   zeros; only a confirmation comes back
    Confirmation  device ◄── server   u32 bytes, u32 microseconds between frames, u32 held back, u16 lost
    Result        device ◄── server   u32 microseconds on the server, u16 concealed, answer as JSON
    Refusal       device ◄── server   u8 reason, text
    Announcement  device ──► server   u32 bytes, u16 datagrams; the frame itself has left by UDP

Numbers are big-endian. One message of the stream is one message of gRPC, which knows its length.
"""

import json
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

VERSION = 1
LONGEST = 16 << 20  # bytes of one message, unless a server says otherwise
NO_FRAME = (1 << 32) - 1  # id of a refusal of bytes in which no id could be read
_HEADER = struct.Struct(">BBBI")
_CHECKED = 1  # flag: the last four bytes are a CRC-32 of all before them
_POINT, _CONFIRMED = struct.Struct(">B"), struct.Struct(">IIIH")
_ANSWERED, _ANNOUNCED = struct.Struct(">IH"), struct.Struct(">IH")
_CRC = struct.Struct(">I")


class Reason(IntEnum):
    """Why a frame is refused."""

    MALFORMED = 1  # the bytes are no message, or none that a server takes
    UNKNOWN_POINT = 2  # the number was given by no `Switch` of this server
    BUSY = 3  # it came sooner than announced, or while a whole batch waited: dropped, to stay fresh
    PAYLOAD = 4  # the bytes cannot be a payload of that operating point
    FAILED = 5  # the server failed; its log has more
    KEY_FRAME = 6  # it builds on one that was not decoded here; the next should build on none
    LOST = 7  # too little of it arrived to be answered


@dataclass(frozen=True)
class Frame:
    """One image, coded.

    Attributes:
        id: Number of the frame; frames that were dropped have numbers too, so gaps are drops.
        point: What `Switch` called the operating point.
        payload: What the point's codec made.
    """

    id: int
    point: int
    payload: bytes


@dataclass(frozen=True)
class Probe:
    """Measures the link where no frame does.

    Attributes:
        padding: Bytes that are sent along.
    """

    id: int
    padding: int


@dataclass(frozen=True)
class Confirmation:
    """A frame or a probe has arrived; sent at once, before anything is computed.

    Attributes:
        received: Bytes of the whole message that brought it; of one in datagrams, all that were sent, as no
            more of them are waited for.
        interval: Microseconds that should lie between two frames of this device from now on.
        held: Microseconds that this was held back for, to see whether more of the frame arrives.
        lost: Datagrams of the frame that did not.
    """

    id: int
    received: int
    interval: int
    held: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Result:
    """The answer to a frame.

    Attributes:
        server_time: Microseconds between the frame's arrival and this message.
        answer: Top classes, boxes or a mask, as `bottleneck.runtime.answers` makes them.
        concealed: Thousandths of what was sent that did not arrive and were filled in.
    """

    id: int
    server_time: int
    answer: Any
    concealed: int = 0


@dataclass(frozen=True)
class Refusal:
    """There will be no answer to a frame."""

    id: int
    reason: Reason
    text: str


@dataclass(frozen=True)
class Announcement:
    """All datagrams of a frame have left.

    Attributes:
        total: Bytes in them.
        datagrams: Their number.
    """

    id: int
    total: int
    datagrams: int


Message = Frame | Probe | Confirmation | Result | Refusal | Announcement


def pack(message: Message, checked: bool = False) -> bytes:
    """The bytes of a message.

    Args:
        message: Any of them.
        checked: Whether a CRC follows, for links that change bytes; TCP and TLS have their own.

    Raises:
        ValueError: If a number does not fit.
    """
    kind = _KINDS.index(type(message))
    try:
        data = _HEADER.pack(VERSION, kind, _CHECKED if checked else 0, message.id) + _body(message)
    except struct.error as error:
        raise ValueError(f"{message!r:.200} has a number that does not fit: {error}.") from error
    return data + _CRC.pack(zlib.crc32(data)) if checked else data


def unpack(data: bytes, longest: int = LONGEST) -> Message:
    """The message that bytes stand for.

    Raises:
        ValueError: If they are none: too long, too short, of another version or kind, changed on the way.
    """
    if len(data) > longest:
        raise ValueError(f"a message of {len(data)} bytes is longer than {longest}, the longest allowed.")
    if len(data) < _HEADER.size:
        raise ValueError(f"{len(data)} bytes are no message: its header alone has {_HEADER.size}.")
    version, kind, flags, number = _HEADER.unpack_from(data)
    if version != VERSION:
        raise ValueError(
            f"the message has version {version}; this release reads {VERSION}. Upgrade the older side."
        )
    if kind >= len(_KINDS) or flags & ~_CHECKED:
        raise ValueError(f"the message has kind {kind} and flags {flags}; this release knows none such.")
    body = data[_HEADER.size :]
    if flags & _CHECKED:
        if len(body) < _CRC.size or _CRC.unpack(data[-_CRC.size :])[0] != zlib.crc32(data[: -_CRC.size]):
            raise ValueError("the message was changed on the way (checksum).")
        body = body[: -_CRC.size]
    try:
        message: Message = _READERS[kind](number, body)
        return message
    except (struct.error, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the message's body of {len(body)} bytes cannot be read: {error}.") from error


def is_checked(data: bytes) -> bool:
    """Whether a message carries a CRC, so that the reply does as well."""
    return len(data) > 2 and bool(data[2] & _CHECKED)


def id_of(data: bytes) -> int:
    """The id in bytes that may be no message at all, so that their sender knows which are meant."""
    return int(_HEADER.unpack_from(data)[3]) if len(data) >= _HEADER.size else NO_FRAME


def _body(message: Message) -> bytes:
    match message:
        case Frame():
            return _POINT.pack(message.point) + message.payload
        case Probe():
            return bytes(message.padding)
        case Confirmation():
            return _CONFIRMED.pack(message.received, message.interval, message.held, message.lost)
        case Result():
            numbers = _ANSWERED.pack(message.server_time, message.concealed)
            return numbers + _as_json(message.answer)
        case Refusal():
            return bytes([message.reason]) + message.text.encode()
        case Announcement():
            return _ANNOUNCED.pack(message.total, message.datagrams)


def _frame(number: int, body: bytes) -> Frame:
    (point,) = _POINT.unpack_from(body)
    return Frame(number, point, body[_POINT.size :])


def _probe(number: int, body: bytes) -> Probe:
    return Probe(number, len(body))


def _confirmation(number: int, body: bytes) -> Confirmation:
    return Confirmation(number, *_CONFIRMED.unpack(body))


def _result(number: int, body: bytes) -> Result:
    server_time, concealed = _ANSWERED.unpack_from(body)
    answer = json.loads(body[_ANSWERED.size :], parse_float=_finite, parse_constant=_finite)
    return Result(number, server_time, answer, concealed)


def _refusal(number: int, body: bytes) -> Refusal:
    if not body:
        raise ValueError("the refusal gives no reason.")
    return Refusal(number, Reason(body[0]), body[1:].decode())


def _announcement(number: int, body: bytes) -> Announcement:
    return Announcement(number, *_ANNOUNCED.unpack(body))


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"the answer contains {text}, which is no number.")
    return number


def _as_json(answer: Any) -> bytes:
    return json.dumps(answer, allow_nan=False, separators=(",", ":")).encode()


_KINDS = (Frame, Probe, Confirmation, Result, Refusal, Announcement)
_READERS: tuple[Callable[[int, bytes], Message], ...] = (
    _frame,
    _probe,
    _confirmation,
    _result,
    _refusal,
    _announcement,
)
