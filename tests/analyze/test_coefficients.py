"""The distribution of coefficients, on features whose answer is known."""

import numpy as np
import pytest

from bottleneck.analyze.coefficients import Coefficients, cumulative


def test_made_feature_is_described_exactly():
    """Shares, ranges and moments of two images with two channels, worked out by hand."""
    features = np.float32([[[[0, 0], [0, 4]], [[-1, 1], [2, 2]]], [[[0, 0], [0, 0]], [[3, 3], [3, 3]]]])
    found = Coefficients.of(features)
    assert found.n == 2
    assert found.mean == pytest.approx(20 / 16)
    assert found.deviation == pytest.approx(np.sqrt(62 / 16 - 1.25**2))
    assert found.zero_fraction == 7 / 16
    assert found.negative_fraction == 1 / 16
    assert (found.image_low, found.image_high) == ([-1, 0], [4, 3])
    assert found.image_zero_fraction == [3 / 8, 4 / 8]
    assert found.channel_zero_fraction == [7 / 8, 0]
    assert found.channel_mean == [0.5, 2]
    assert found.channel_deviation == pytest.approx([np.sqrt(2 - 0.25), np.sqrt(46 / 8 - 4)])


def test_shape_tells_normal_from_laplace_and_relu():
    """Kurtosis and skewness are those of the distributions that the features were drawn from."""
    rng = np.random.default_rng(0)
    normal = rng.normal(3, 2, (8, 4, 40, 40)).astype(np.float32)
    laplace = rng.laplace(0, 1, (8, 4, 40, 40)).astype(np.float32)
    assert Coefficients.of(normal).excess_kurtosis == pytest.approx(0, abs=0.1)
    assert Coefficients.of(laplace).excess_kurtosis == pytest.approx(3, abs=0.4)
    assert abs(Coefficients.of(laplace).skewness) < 0.1
    assert Coefficients.of(np.maximum(normal - 3, 0)).skewness > 1


def test_distribution_rises_within_its_band():
    """The share at or below each value rises to nearly all, and lies among those of single images."""
    features = np.random.default_rng(0).exponential(1, (9, 2, 8, 8)).astype(np.float32)
    found = Coefficients.of(features)
    assert (np.diff(found.cdf) >= 0).all()
    assert found.cdf[-1] >= 0.998
    middle = found.values.index(min(found.values, key=lambda value: abs(value - np.log(2))))
    assert found.cdf[middle] == pytest.approx(0.5, abs=0.05)
    assert (np.array(found.cdf_5) <= found.cdf).all()
    assert (np.array(found.cdf) <= found.cdf_95).all()


def test_constant_feature_has_no_shape():
    """Where nothing varies, moments are 0 and nothing is divided by."""
    found = Coefficients.of(np.full((2, 1, 2, 2), 0.5, np.float32))
    assert (found.deviation, found.skewness, found.excess_kurtosis) == (0, 0, 0)
    assert found.cdf == [1.0] * len(found.cdf)


def test_cumulative_counts_ties_and_takes_nothing():
    """A value itself counts as at or below it; an empty array has no shares."""
    assert cumulative(np.float32([3, 1, 1, 2]), np.array([0.5, 1, 2.5, 3])).tolist() == [0, 0.5, 0.75, 1]
    assert cumulative(np.float32([]), np.array([1.0])).tolist() == [0]
