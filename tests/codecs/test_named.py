"""General-purpose compressors on another codec's payload."""

import json
import zlib

import numpy as np
import pytest

from bottleneck import codecs

NAMES = ["deflate", "zstd"]
each_compressor = pytest.mark.parametrize("name", NAMES)


def relu(shape=(4, 30, 30)):
    """Half zeros, in patches."""
    y, x = np.mgrid[: shape[1], : shape[2]]
    noise = np.random.default_rng(0).normal(size=shape)
    return np.maximum(np.sin(x / 5) + np.cos(y / 4) + 0.3 * noise - 0.2, 0).astype(np.float32)


@each_compressor
@pytest.mark.parametrize(
    "options", [{}, {"of": "quantised", "levels": 16}, {"of": "quantised", "levels": 16, "whole_bytes": True}]
)
def test_decodes_to_what_the_other_codec_gives(name, options):
    """A compressor loses nothing itself, and saves something on a feature with patterns."""
    plain = codecs.create(
        options.get("of", "raw"), (4, 30, 30), **{k: v for k, v in options.items() if k != "of"}
    )
    codec = codecs.create(name, (4, 30, 30), **options)
    payload = codec.encode(relu())
    assert np.array_equal(codec.decode(payload), plain.decode(plain.encode(relu())))
    assert len(payload) < len(plain.encode(relu()))


def test_deflate_payload_is_the_zlib_stream_of_the_other_payload():
    """What is compressed is the payload itself, symbols and header."""
    inner = codecs.create("quantised", (4, 30, 30), levels=8, whole_bytes=True)
    codec = codecs.create("deflate", (4, 30, 30), of="quantised", levels=8, whole_bytes=True, level=9)
    assert codec.encode(relu()) == zlib.compress(inner.encode(relu()), 9)


@each_compressor
def test_tables_of_the_other_codec_travel_along(name):
    """A fitted range is fitted through the compressor, and survives JSON with it."""
    codec = codecs.create(name, (4, 30, 30), of="quantised", levels=7, per="channel")
    with pytest.raises(RuntimeError, match="no table yet"):
        codec.encode(relu())
    codec.fit([relu(), relu() + 1])
    copy = codecs.from_dict(json.loads(json.dumps(codec.to_dict())))
    assert copy.encode(relu()) == codec.encode(relu())
    assert codec.to_dict()["options"]["per"] == "channel"


@each_compressor
def test_only_plain_layouts_are_compressed(name):
    """Bytes that an entropy coder made are not worth compressing again."""
    with pytest.raises(
        ValueError, match=r"of='huffman' is not possible here. Choose one of 'raw', 'quantised'"
    ):
        codecs.create(name, (4,), of="huffman")


@each_compressor
def test_options_of_the_other_codec_are_checked(name):
    """A slip in an option of the other codec is refused with those that it takes."""
    with pytest.raises(ValueError, match=r"codec 'quantised': .*'bits'. Its options are: levels, per"):
        codecs.create(name, (4,), of="quantised", bits=4)
