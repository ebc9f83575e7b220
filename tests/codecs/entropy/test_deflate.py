"""Deflate: a bounded zlib stream."""

import tracemalloc
import zlib

import numpy as np
import pytest

from bottleneck import codecs


def test_golden_bytes():
    """A pinned zlib stream decodes to its pixels, on any zlib build."""
    codec = codecs.create("deflate", (3, 4), input="pixels")
    pixels = codec.decode(bytes.fromhex("789c63606462fe0f010c0023230700"))
    assert pixels.tolist() == [[0, 1, 2, 3], [255] * 4, [255] * 3 + [0]]


@pytest.mark.parametrize("kind", ["feature", "pixels"])
def test_payload_is_the_zlib_stream_of_the_raw_bytes(kind):
    """The bytes are those of zlib at the asked level, 6 where none is asked, on raw's bytes."""
    values = (
        np.random.default_rng(0).integers(0, 4, (3, 40)).astype(np.uint8 if kind == "pixels" else np.float32)
    )
    raw = codecs.create("raw", (3, 40), input=kind).encode(values)
    for options, level in [({}, 6), ({"level": 0}, 0), ({"level": 9}, 9)]:
        codec = codecs.create("deflate", (3, 40), input=kind, **options)
        assert codec.encode(values) == zlib.compress(raw, level)
        assert np.array_equal(codec.decode(codec.encode(values)), values)


def test_bomb_is_refused_in_little_memory():
    """A payload that inflates to far more than the shape is refused without inflating it."""
    bomb = zlib.compress(bytes(30_000_000), 9)
    codec = codecs.create("deflate", (10,))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"inflates to more than the 40 bytes"):
            codec.decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_bomb_for_an_empty_shape_is_refused():
    """With no bytes expected, one byte is too many (zlib reads a limit of 0 as none)."""
    codec = codecs.create("deflate", (0, 3))
    assert codec.decode(codec.encode(np.zeros((0, 3)))).shape == (0, 3)
    with pytest.raises(ValueError, match="more than the 0 bytes"):
        codec.decode(zlib.compress(bytes(1000)))


def test_truncated_extended_and_foreign_streams_are_refused():
    """Every prefix of a payload, anything after it, and bytes that are no zlib stream are refused."""
    codec = codecs.create("deflate", (6,))
    payload = codec.encode(np.arange(6.0))
    for end in range(1, len(payload)):
        with pytest.raises(ValueError, match=r"has no end; it was truncated|not a zlib stream"):
            codec.decode(payload[:end])
    with pytest.raises(ValueError, match="has 2 bytes after its end"):
        codec.decode(payload + b"ab")
    with pytest.raises(ValueError, match="not a zlib stream"):
        codec.decode(b"hello")
    with pytest.raises(ValueError, match=r"holds 20 bytes of values where shape \(6,\) takes 24"):
        codec.decode(zlib.compress(bytes(20)))


@pytest.mark.parametrize("level", [-1, 10, 6.0, True, "6"])
def test_level_is_0_to_9(level):
    """Another level is refused by value."""
    with pytest.raises(ValueError, match=r"level=.* is not an integer from 0 to 9"):
        codecs.create("deflate", (1,), level=level)
