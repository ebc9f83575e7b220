"""Differential coding, on features whose neighbours predict each other as made."""

import numpy as np
import pytest
import torch

from bottleneck.analyze.differences import Differences, differences, entropy, panned, quantized


def compared(features, previous=None, bits=4):
    previous = np.zeros_like(features) if previous is None else previous
    return Differences.of(features, previous, bits, frames="made", same_output=1.0)


def test_differences_keep_the_first_as_it_is():
    """Along each axis, the first elements are themselves and sums give the array back."""
    array = np.random.default_rng(0).normal(size=(3, 4, 5))
    for axis in range(3):
        left = differences(array, axis)
        assert np.array_equal(left.take(0, axis), array.take(0, axis))
        assert np.allclose(left.cumsum(axis), array)


def test_each_direction_finds_its_own_redundancy():
    """A feature that is constant along one axis is nothing but its first elements there."""
    rng = np.random.default_rng(0)
    for name, shape in (("row", (6, 16, 1)), ("column", (6, 1, 16)), ("channel", (1, 16, 16))):
        feature = np.broadcast_to(rng.integers(0, 16, shape), (6, 16, 16)).astype(np.float32)
        found = compared(feature[None])
        bits = {key: direction.entropy[0] for key, direction in found.directions.items()}
        assert bits[name] < 0.6 * found.entropy[0]
        assert all(bits[other] > found.entropy[0] for other in {"row", "column", "channel"} - {name})


def test_slow_ramp_has_a_small_range_of_differences():
    """Where values rise by little from column to column, the differences' range is that little."""
    feature = np.broadcast_to(np.arange(50, dtype=np.float32), (2, 3, 50))
    found = compared(feature[None])
    assert found.directions["row"].range_ratio == [pytest.approx(1 / 49)]
    assert found.directions["column"].range_ratio == [pytest.approx(49 / 49)]
    assert found.directions["row"].deviation_ratio[0] < 0.1


def test_time_compares_with_the_frame_before():
    """A still scene has no differences, half the motion has half the range, and both share one quantizer."""
    feature = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    still = compared(feature, feature).directions["time"]
    assert (still.range_ratio, still.entropy) == ([0, 0], [0, 0])
    brighter = compared(feature, feature / 2).directions["time"]
    assert brighter.range_ratio == pytest.approx([0.5, 0.5])
    shifted = compared(feature, feature - 7).directions["time"]
    assert shifted.entropy[0] < 1.1  # a constant difference, but for rounding


def test_constant_features_divide_by_nothing():
    """Where a feature has no range, ratios are 0."""
    found = compared(np.ones((1, 2, 3, 3), np.float32), np.ones((1, 2, 3, 3), np.float32))
    assert found.entropy == [0]
    assert found.directions["time"].range_ratio == [0]


def test_entropy_of_known_distributions():
    """A fair coin is a bit, four equal symbols are two, a constant none."""
    assert entropy(np.array([0, 1, 1, 0])) == 1
    assert entropy(np.arange(4)) == 2
    assert entropy(np.zeros(5, int)) == 0


def test_quantized_is_the_min_max_quantizer():
    """Symbols span all of 0 to 2^bits - 1, halves upwards."""
    assert quantized(np.float32([0, 0.5, 1.4, 3, -0]), 2).tolist() == [0, 1, 1, 3, 0]
    assert quantized(np.float32([7, 7]), 8).tolist() == [0, 0]


def test_panned_image_shows_the_frame_before():
    """Everything lies further to the right, the left edge is repeated; no pan leaves the image."""
    images = torch.arange(8, dtype=torch.uint8).reshape(1, 1, 2, 4)
    assert panned(images, 1)[0, 0].tolist() == [[0, 0, 1, 2], [4, 4, 5, 6]]
    assert torch.equal(panned(images, 0), images)
    assert panned(images, 3)[0, 0, 0].tolist() == [0, 0, 0, 0]
    for pixels in (-1, 4):
        with pytest.raises(ValueError, match=rf"differences.pan={pixels} .*Use 0 to 3"):
            panned(images, pixels)


@pytest.mark.parametrize("bits", [0, 60])
def test_impossible_depth_is_refused(bits):
    """A quantizer has 1 to 16 bits."""
    with pytest.raises(ValueError, match=f"differences.bits={bits} "):
        compared(np.zeros((1, 1, 2, 2), np.float32), bits=bits)
