"""Packed: pixels in n bits."""

import numpy as np
import pytest

from bottleneck import codecs


def packed(largest, shape):
    return codecs.create("packed", shape).fit([np.full(shape, largest, np.uint8)])


def test_golden_bytes():
    """Fields are most significant bit first, in C order, the last byte zero-padded."""
    pixels = np.array([[16, 0, 1], [7, 31, 2]], np.uint8)
    # 10000 000|00 00001 0|0111 1111|1 00010 00
    assert packed(31, (2, 3)).encode(pixels).hex() == "8002 7f88".replace(" ", "")


@pytest.mark.parametrize(
    ("largest", "bits"), [(0, 1), (1, 1), (2, 2), (3, 2), (16, 5), (127, 7), (128, 8), (255, 8)]
)
def test_width_is_that_of_the_largest_training_value(largest, bits):
    """Each field has the bit length of the largest value seen, at least 1, and the size follows from it."""
    codec = packed(largest, (3, 11))
    pixels = np.random.default_rng(0).integers(0, largest + 1, (3, 11)).astype(np.uint8)
    payload = codec.encode(pixels)
    assert codec.to_dict()["tables"] == {"bits": bits}
    assert len(payload) == -(-33 * bits // 8)
    assert np.array_equal(codec.decode(payload), pixels)


def test_largest_value_is_looked_for_in_all_samples():
    """The width comes from all training samples, wherever the largest value is."""
    codec = codecs.create("packed", (2,))
    samples = np.array([[1, 2], [0, 200], [3, 3]], np.uint8)
    assert codec.fit(iter(samples)).to_dict()["tables"] == {"bits": 8}


def test_value_that_does_not_fit_is_refused():
    """A pixel beyond the training range is refused, not cut off."""
    with pytest.raises(ValueError, match=r"pixel value 32 does not fit the 5 bits.*codec 'raw'"):
        packed(16, (2,)).encode(np.array([31, 32], np.uint8))


@pytest.mark.parametrize("payload", [b"\0", b"\0\0\0"])
def test_another_length_is_refused(payload):
    """Missing and additional bytes are refused."""
    with pytest.raises(ValueError, match=rf"has {len(payload)} bytes where 2 are expected"):
        packed(16, (3,)).decode(payload)


def test_padding_must_be_zero():
    """A one in the padding is damage."""
    with pytest.raises(ValueError, match="padding bits of the last payload byte 0x01 are not zero"):
        packed(16, (3,)).decode(b"\0\1")


def test_damaged_table_is_refused():
    """A width that no uint8 needs is refused."""
    d = packed(16, (3,)).to_dict()
    with pytest.raises(ValueError, match="bits=9 is not an integer from 1 to 8"):
        codecs.from_dict(d | {"tables": {"bits": 9}})
