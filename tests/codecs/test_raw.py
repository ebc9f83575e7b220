"""Raw: the array's own bytes."""

import numpy as np
import pytest

from bottleneck import codecs


def test_golden_bytes():
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
def test_another_length_is_refused(n_bytes):
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
