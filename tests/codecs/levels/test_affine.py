"""One byte per element, zero kept."""

import numpy as np
import pytest

from bottleneck import codecs


def test_bytes_are_those_of_the_release():
    """Scale and zero point as in the authors' release, then one byte per value, pinned."""
    codec = codecs.create("affine", shape=(4,))
    payload = codec.encode(np.array([-1.0, 0.0, 0.5, 1.55], np.float32))
    assert payload == np.float32(0.01).tobytes() + bytes([100, 0, 100, 150, 255])
    np.testing.assert_allclose(codec.decode(payload), [-1.0, 0.0, 0.5, 1.55], atol=1e-6)


@pytest.mark.parametrize("shift", [-3.0, 0.0, 3.0])
def test_error_is_half_a_step_and_zero_stays_zero(shift):
    """Values come back within a step of the range, which includes zero; zeros come back exactly."""
    values = np.random.default_rng(0).normal(shift, 1, (3, 5, 7)).astype(np.float32)
    values[0, 0, 0] = 0
    codec = codecs.create("affine", shape=values.shape)
    payload = codec.encode(values)
    assert len(payload) == 5 + values.size
    step = (max(values.max(), 0) - min(values.min(), 0)) / 255
    decoded = codec.decode(payload)
    assert np.abs(decoded - values).max() <= 1.01 * step  # the ends lose another half to the zero point
    assert decoded[0, 0, 0] == 0


@pytest.mark.parametrize("value", [0.0, 1e-44, -2.5])
def test_constant_samples_come_back(value):
    """A sample without a range is coded like any other."""
    codec = codecs.create("affine", shape=(2, 2))
    decoded = codec.decode(codec.encode(np.full((2, 2), value, np.float32)))
    np.testing.assert_allclose(decoded, value, atol=1e-6)


def test_range_that_overflows_at_its_ends_is_refused():
    """A sample whose payload nobody could decode is never sent."""
    most = np.finfo(np.float32).max
    with pytest.raises(ValueError, match=r"is too wide\. Scale the feature down"):
        codecs.create("affine", shape=(2,)).encode(np.array([-most, most], np.float32))


@pytest.mark.parametrize("ends", [(-3e38, 0), (-1e38, 1e38), (0, 3e38), (-3e38, 3e38)])
def test_wide_ranges_come_back(ends):
    """Up to there, what is encoded is decoded."""
    codec, values = codecs.create("affine", shape=(2,)), np.array(ends, np.float32)
    np.testing.assert_allclose(codec.decode(codec.encode(values)), values, atol=np.ptp(values / 100))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (np.float32(1).tobytes() + bytes(4), "truncated"),
        (bytes(4), "truncated"),
        (bytes(9), "scale 0.0"),
        (np.float32(np.nan).tobytes() + bytes(5), "scale nan"),
        (np.float32(3e38).tobytes() + bytes([0, 2, 0, 0, 0]), "overflow"),
    ],
)
def test_impossible_bytes_are_refused(payload, message):
    """A wrong length, and a scale that no sample has, are damage."""
    with pytest.raises(ValueError, match=message):
        codecs.create("affine", shape=(4,)).decode(payload)
