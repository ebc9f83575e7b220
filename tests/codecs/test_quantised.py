"""Quantised: fixed-length symbols behind a range, packed or in whole bytes."""

import numpy as np
import pytest

from bottleneck import codecs

X = np.array([0, 1, 2, 3, 3, 2, 1, 2], np.float32)


def test_golden_bytes():
    """Minimum, maximum, then n bits per element, most significant bit first."""
    assert codecs.create("quantised", (8,), levels=4).encode(X).hex() == "0000000000004040" + "1bf9".replace(
        "1bf9", f"{0b0001101111100110:04x}"
    )
    whole = codecs.create("quantised", (8,), levels=4, whole_bytes=True).encode(X)
    assert whole.hex() == "0000000000004040" + "0001020303020102"


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_values_are_those_of_run_length_coding_at_equal_bits(bits):
    """The same quantizer as `rle`, so that their sizes can be compared at equal accuracy."""
    x = np.random.default_rng(0).normal(size=(4, 33)).astype(np.float32)
    packed, rle = (
        codecs.create("quantised", (4, 33), levels=2**bits),
        codecs.create("rle", (4, 33), bits=bits),
    )
    assert np.array_equal(packed.decode(packed.encode(x)), rle.decode(rle.encode(x)))
    assert len(packed.encode(x)) == 8 + -(-132 * bits // 8)


def test_two_bytes_above_256_levels():
    """Whole bytes are little-endian pairs where one byte is too narrow."""
    codec = codecs.create("quantised", (3,), levels=257, whole_bytes=True)
    payload = codec.encode(np.array([0, 1, 256], np.float32))
    assert payload[8:].hex() == "000001000001"
    assert codec.decode(payload).tolist() == [0, 1, 256]


@pytest.mark.parametrize("whole_bytes", [False, True])
def test_constant_sample_is_its_header(whole_bytes):
    """Nothing follows the range of a constant sample, and nothing may."""
    codec = codecs.create("quantised", (2, 5), whole_bytes=whole_bytes)
    payload = codec.encode(np.full((2, 5), 3.5))
    assert len(payload) == 8
    assert (codec.decode(payload) == 3.5).all()
    with pytest.raises(ValueError, match="extended"):
        codec.decode(payload + b"\0")


def test_symbol_beyond_the_levels_is_refused():
    """A byte that no level has is damage."""
    codec = codecs.create("quantised", (8,), levels=4, whole_bytes=True)
    with pytest.raises(ValueError, match=r"symbols 0 \.\. 4 where there are 0 \.\. 3"):
        codec.decode(codec.encode(X)[:-1] + b"\4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": 1}, "levels=1 is not an integer from 2 to 65536"),
        ({"per": "pixel"}, "per='pixel' is not possible here. Choose one of 'sample', 'layer'"),
        ({"sigmas": 3.0}, r"sigmas=3.0 with per='sample'"),
        ({"per": "layer", "sigmas": 0.0}, r"sigmas=0.0 with per='layer': give a positive number"),
    ],
)
def test_impossible_options_are_refused(options, message):
    """Levels, scope and width of the range are checked by value."""
    with pytest.raises(ValueError, match=message):
        codecs.create("quantised", (8,), **options)
