"""Bombs: small files that would cost a library much time or memory are refused by their headers."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from bottleneck import codecs

SHAPE = (3, 64, 96)
FORMATS = ("avif", "heic", "hevc", "jpeg", "jpeg2000", "png", "webp")


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)


def payload_of(name, pixels, **options):
    return bytearray(codecs.create(name, pixels.shape, **options).encode(pixels))


@pytest.fixture
def refused(most_memory):
    """Decodes a payload, which is refused within the promised time and memory; why."""

    def decode(codec, payload):
        with pytest.raises(ValueError, match=f"is no {codec.name} image") as error:
            codec.decode(bytes(payload))
        return str(error.value)

    def check(name, payload, shape=SHAPE):
        codec, begin = codecs.create(name, shape), time.process_time()
        said, memory = most_memory(decode, codec, payload)
        assert time.process_time() - begin < 1
        assert memory < 20e6
        return said

    return check


@pytest.mark.parametrize("shape", [(1, 17, 40), (3, 64, 96), (3, 224, 224)])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_is_read(name, shape):
    """Every quality of every kind of picture passes the checks that forged files do not."""
    rng = np.random.default_rng(0)
    kinds = (np.zeros(shape), rng.integers(0, 256, shape), np.broadcast_to(np.arange(shape[2]) % 256, shape))
    key = {"jpeg2000": "ratio", "hevc": "qp"}.get(name, "quality")
    for setting in (1, 50, 100) if name not in ("png", "hevc") else (1, 50):
        codec = codecs.create(name, shape, **({} if name == "png" else {key: setting}))
        for picture in kinds:
            assert codec.decode(codec.encode(picture.astype(np.uint8))).shape == shape


def test_jpeg_of_many_scans(pixels, refused):
    """Thousands of empty progressive scans, each decoded over the whole picture, are not begun."""
    file = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(file, "JPEG", progressive=True)
    assert "c2" in refused("jpeg", file.getvalue())
    baseline = payload_of("jpeg", pixels)
    scan = baseline.index(b"\xff\xda")
    assert "first scan" in refused("jpeg", baseline[:-2] + baseline[scan : scan + 14] * 3000 + b"\xff\xd9")


def test_png_with_further_chunks(pixels, refused):
    """Text and profiles, which inflate to as much as they like, are none of ours."""
    payload = payload_of("png", pixels)
    body = b"zTXt" + b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    assert "zTXt" in refused("png", payload[:33] + chunk + payload[33:])
    payload[16:20] = (60_000).to_bytes(4, "big")
    assert "header" in refused("png", payload)


@pytest.mark.parametrize(
    ("at", "value"),
    [(8, 2**31), (12, 2**31), (16, 2**20), (24, 2**31), (28, 1), (28, 2**31), (32, 2**30)],
)
def test_jpeg2000_of_other_sizes(pixels, at, value, refused):
    """Sizes, offsets and tiles other than the picture's own are refused before a tile is allocated."""
    payload = payload_of("jpeg2000", pixels)
    payload[at : at + 4] = value.to_bytes(4, "big")
    assert "ff51" in refused("jpeg2000", payload)


@pytest.mark.parametrize(("offset", "value"), [(4, 1), (9, 32), (10, 10), (6, 255)])
def test_jpeg2000_of_other_coding(pixels, offset, value, refused):
    """So are precincts, resolutions, layers and code-blocks that are never written."""
    payload = payload_of("jpeg2000", pixels)
    payload[payload.index(b"\xff\x52") + offset] = value
    assert "ff52" in refused("jpeg2000", payload)


def test_avif_of_a_larger_inner_picture(pixels, refused):
    """An AV1 picture of 4096×4096 behind a header of 64×96 is not decoded."""
    inner = payload_of("avif", np.zeros((3, 2048, 2048), np.uint8))
    outer = payload_of("avif", pixels)
    data = inner[inner.index(b"mdat") + 4 :]
    at = outer.index(b"mdat") + 4
    forged = outer[: at - 8] + struct.pack(">I", 8 + len(data)) + b"mdat" + data
    place = forged.index(b"iloc") + 22
    forged[place : place + 4] = len(data).to_bytes(4, "big")
    assert "its inner picture is (2048, 2048)" in refused("avif", forged)


def test_avif_of_other_items(pixels, refused):
    """A picture that is looked for elsewhere in the file is none of ours."""
    payload = payload_of("avif", pixels)
    payload[payload.index(b"iloc") + 21] ^= 1
    assert "other items" in refused("avif", payload)


def test_heic_of_a_larger_inner_picture(pixels, refused):
    """An HEVC picture of 2048×2048 behind a header of 64×96 is not decoded."""
    pytest.importorskip("pillow_heif", reason="extra not installed")
    inner = payload_of("heic", np.zeros((3, 2048, 2048), np.uint8))
    outer = payload_of("heic", pixels)
    forged = inner.copy()
    sizes = [forged.index(b"ispe") + 8, outer.index(b"ispe") + 8]
    forged[sizes[0] : sizes[0] + 8] = outer[sizes[1] : sizes[1] + 8]
    assert "its inner picture is [(2048, 2048)]" in refused("heic", forged)


@pytest.mark.parametrize(("at", "told"), [(21, "other items"), (-1, "one slice")])
def test_heic_of_other_items(pixels, at, told, refused):
    """A picture that is looked for elsewhere, or that brings settings of its own, is none of ours."""
    pytest.importorskip("pillow_heif", reason="extra not installed")
    payload = payload_of("heic", pixels)
    if at > 0:
        payload[payload.index(b"iloc") + at] ^= 1
    else:
        payload[payload.index(b"mdat") + 8] = 0x42  # a sequence parameter set in place of the slice
    assert told in refused("heic", payload)


@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bits_are_refused_or_make_a_picture(name, pixels):
    """Whatever single bit is flipped, decoding gives a picture of the right form or a `ValueError`."""
    codec, rng = codecs.create(name, SHAPE), np.random.default_rng(1)
    payload = payload_of(name, pixels)
    for _ in range(60):
        at = rng.integers(min(len(payload), 600))
        payload[at] ^= 1 << rng.integers(8)
        try:
            assert codec.decode(bytes(payload)).shape == SHAPE
        except ValueError:
            continue
        finally:
            payload = payload_of(name, pixels) if name == "hevc" else payload
