"""What a file's headers say, read before a library believes them: what our encoders never write is refused.

A small file may ask a library for much time (a JPEG of thousands of empty scans) or memory (a JPEG 2000 of
large tiles, an AVIF or HEIC whose inner picture is larger than it says).
"""

from __future__ import annotations

import re
import struct

_STANDS_ALONE = rb"\xff[^\x00]"  # a marker in a JPEG's data, where FF is followed by 00


def check_jpeg(payload: bytes) -> None:
    """Refuse a JPEG that is not one baseline picture in one scan, tables before it.

    Raises:
        ValueError: Naming what it has instead.
    """
    at, kinds = 2, []
    while at < len(payload) and b"\xda" not in kinds:
        kinds.append(payload[at + 1 : at + 2])
        if payload[at] != 0xFF or kinds[-1] not in (b"\xe0", b"\xdb", b"\xc0", b"\xc4", b"\xda"):
            raise ValueError(f"segment {kinds[-1].hex()} at byte {at} is none of a baseline JPEG")
        at += 2 + int.from_bytes(payload[at + 2 : at + 4], "big")
    end = re.search(_STANDS_ALONE, payload[at:])
    if kinds.count(b"\xc0") != 1 or kinds[-1:] != [b"\xda"] or end is None:
        raise ValueError("the file is no whole baseline JPEG")
    if payload[at + end.start() :] != b"\xff\xd9":
        raise ValueError(f"the file does not end with its first scan, at byte {at + end.start()}")


def check_png(payload: bytes, channels: int, height: int, width: int) -> None:
    """Refuse a PNG that has more than its header, its pixels and its end, or another form.

    Raises:
        ValueError: Naming what it has instead.
    """
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    if payload[:29] != b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header:
        raise ValueError("its header is another one")
    at, kind = 33, b""
    while at < len(payload) and kind != b"IEND":
        length, kind = int.from_bytes(payload[at : at + 4], "big"), payload[at + 4 : at + 8]
        if kind not in (b"IDAT", b"IEND"):
            raise ValueError(f"it has a chunk {kind!r}")
        at += 12 + length
    if kind != b"IEND" or at != len(payload):
        raise ValueError(f"its chunks end at byte {at} of {len(payload)}")


def check_jpeg2000(payload: bytes, channels: int, height: int, width: int) -> None:
    """Refuse a JPEG 2000 codestream that is not one tile of the picture's size, with usual code-blocks.

    Raises:
        ValueError: Naming what it has instead.
    """
    sizes = struct.pack(">HIIIIIIIIH", 0, width, height, 0, 0, width, height, 0, 0, channels)
    expected = {b"\xff\x51": sizes + b"\x07\x01\x01" * channels}  # 8 bits, nothing subsampled
    at, kinds = 2, []
    while (kind := payload[at : at + 2]) != b"\xff\x90":
        body = payload[at + 4 : at + 2 + int.from_bytes(payload[at + 2 : at + 4], "big")]
        kinds.append(kind)
        if (
            kind == b"\xff\x52"
        ):  # no precincts, one layer, colours mixed or not, 6 resolutions, blocks of 64×64
            usual = bytes(3) + b"\x01" + body[4:6] + b"\x04\x04\0\0"
            expected[kind] = usual if body[4:5] <= b"\x01" and body[5:6] <= b"\x05" else b""
        known = kind in (b"\xff\x51", b"\xff\x52", b"\xff\x5c", b"\xff\x64")
        if not known or body != expected.get(kind, body):
            raise ValueError(f"segment {kind.hex()} at byte {at} is none that is written")
        at += 4 + len(body)
    tile = struct.pack(">HHIBB", 10, 0, len(payload) - at - 2, 0, 1) + b"\xff\x93"
    if sorted(set(kinds)) != sorted(kinds) or kinds[:1] != [b"\xff\x51"] or len(kinds) < 3:
        raise ValueError("its main header is another one")
    if payload[at + 2 : at + 14] != tile:
        raise ValueError("it is not one tile")


def check_avif(payload: bytes, height: int, width: int) -> None:
    """Refuse an AVIF whose only item is not one still AV1 picture of the file's size, in the last box.

    Raises:
        ValueError: Naming what it has instead.
    """
    at = payload.find(b"mdat") + 4
    data = payload[at:]
    places = b"iloc" + bytes(4) + struct.pack(">HHHHHII", 0x4400, 1, 1, 0, 1, at, len(data))
    if at < 8 or int.from_bytes(payload[at - 8 : at - 4], "big") != 8 + len(data):
        raise ValueError("its last box is not its picture")
    if payload[:at].count(b"iloc") != 1 or places not in payload[:at]:
        raise ValueError("it has other items than its picture")
    units = list(_units(data))
    if [kind for kind, _ in units] != [2, 1, 6]:  # delimiter, sequence header, frame
        raise ValueError(f"its picture is made of units {[kind for kind, _ in units]}")
    if (found := _av1_size(units[1][1])) != (height, width):
        raise ValueError(f"its inner picture is {found}")


def check_heic(payload: bytes, height: int, width: int) -> None:
    """Refuse a HEIC whose only item is not one HEVC picture of about the file's size, in the last box.

    Raises:
        ValueError: Naming what it has instead.
    """
    at = payload.find(b"mdat") + 4
    data = payload[at:]
    places = b"iloc" + bytes(4) + struct.pack(">HHHHIHII", 0x4440, 1, 1, 0, at, 1, 0, len(data))
    if at < 8 or int.from_bytes(payload[at - 8 : at - 4], "big") != 8 + len(data):
        raise ValueError("its last box is not its picture")
    if payload[:at].count(b"iloc") != 1 or places not in payload[:at]:
        raise ValueError("it has other items than its picture")
    if int.from_bytes(data[:4], "big") != len(data) - 4 or data[4:5] not in (b"\x26", b"\x28"):
        raise ValueError("its picture is not one slice of a key frame")
    settings = payload[payload.find(b"hvcC") + 4 : at]
    sizes = [_hevc_size(unit) for unit in _parameter_sets(settings) if unit[:1] == b"\x42"]
    # Sides are extended to whole blocks, 64 at most.
    if payload.count(b"hvcC") != 1 or len(sizes) != 1 or not _fits(sizes[0], height + 64, width + 64):
        raise ValueError(f"its inner picture is {sizes}")


def _parameter_sets(settings: bytes) -> list[bytes]:
    """The parameter sets of an HEVC decoder configuration (ISO/IEC 14496-15)."""
    found, at = [], 23
    for _ in range(settings[22]):
        count, at = int.from_bytes(settings[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            length = int.from_bytes(settings[at : at + 2], "big")
            found.append(settings[at + 2 : at + 2 + length])
            at += 2 + length
    return found


def _hevc_size(unit: bytes) -> tuple[int, int] | None:
    """Height and width in a sequence parameter set; `None` for one with layers."""
    bits = "".join(f"{byte:08b}" for byte in unit.replace(b"\0\0\3", b"\0\0"))
    if bits[20:23] != "000":  # sub-layers; behind them and a flag lie profile, tier and level
        return None
    numbers, at = list[int](), 120
    while len(numbers) < 4:  # identifier, chroma format, width, height, each behind as many zeros as bits
        ones = bits.find("1", at)
        if ones < 0 or ones - at > 16:
            return None
        end = ones + 1 + ones - at
        numbers.append(int(bits[ones:end], 2) - 1)
        at = end
    return (numbers[3], numbers[2]) if numbers[1] in (0, 1) else None


def _fits(size: tuple[int, int] | None, height: int, width: int) -> bool:
    return size is not None and size[0] <= height and size[1] <= width


def _units(data: bytes) -> list[tuple[int, bytes]]:
    """The kind and content of each unit (OBU) of an AV1 stream; a size is one or more groups of 7 bits."""
    at, units = 0, list[tuple[int, bytes]]()
    while at < len(data) and len(units) < 4:
        kind, size, shift = data[at] >> 3, 0, 0
        while True:
            at += 1
            size |= (data[at] & 127) << shift
            shift += 7
            if data[at] < 128:
                break
        units.append((kind, data[at + 1 : at + 1 + size]))
        at += 1 + size
    if at != len(data):
        raise ValueError(f"its units end at byte {at} of {len(data)}")
    return units


def _av1_size(header: bytes) -> tuple[int, int] | None:
    """Height and width in a sequence header; `None` for one that is not of a still picture."""
    bits = "".join(f"{byte:08b}" for byte in header)
    if bits[3:5] != "11":  # still picture, reduced header; a level of 5 bits follows
        return None
    wide, high = int(bits[10:14], 2) + 1, int(bits[14:18], 2) + 1
    width, height = bits[18 : 18 + wide], bits[18 + wide : 18 + wide + high]
    return int(height, 2) + 1, int(width, 2) + 1
