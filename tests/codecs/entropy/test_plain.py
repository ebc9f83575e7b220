"""Plain layouts: elements as they lie in memory, and pixels in n bits."""

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


# Whole bytes -----------------------------------------------------------------------------------


def test_golden_bytes_of_whole_bytes():
    """A feature is its float32 in little-endian C order, pixels are their bytes."""
    feature = np.array([[1.0, -2.5], [0.0, 3e-39]])
    assert codecs.create("raw", (2, 2)).encode(feature).hex() == "0000803f000020c000000000c8aa2000"
    pixels = np.array([[0, 1], [128, 255]], np.uint8)
    assert codecs.create("raw", (2, 2), input="pixels").encode(pixels) == bytes([0, 1, 128, 255])


def test_round_trip_is_exact():
    """Every float32 comes back bit for bit, minus zero and subnormals included."""
    codec = codecs.create("raw", (5,))
    values = np.array([-0.0, 1e-45, 3.4028235e38, -1e-20, 7], np.float32)
    assert codec.decode(codec.encode(values)).tobytes() == values.tobytes()


@pytest.mark.parametrize("n_bytes", [7, 9, 16])
def test_another_number_of_whole_bytes_is_refused(n_bytes):
    """Only exactly the bytes of the shape are a payload."""
    with pytest.raises(ValueError, match=rf"holds {n_bytes} bytes of values where shape \(2,\) takes 8"):
        codecs.create("raw", (2,)).decode(bytes(n_bytes))


def test_payload_with_nan_is_refused():
    """What encode refuses, decode does not return."""
    with pytest.raises(ValueError, match="got nan"):
        codecs.create("raw", (1,)).decode(bytes.fromhex("0000c07f"))


@pytest.mark.parametrize("name", ["raw", "deflate"])
def test_input_is_feature_or_pixels(name):
    """Another input is refused with the choices."""
    with pytest.raises(
        ValueError, match=r"input='symbols' is not possible here. Choose one of 'feature', 'pixels'"
    ):
        codecs.create(name, (1,), input="symbols")
