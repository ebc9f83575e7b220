"""The grid of levels and ranges, on features whose statistics are known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from bottleneck.analyze.quantization import Quantization, through_bytes


@pytest.fixture
def normal():
    """Features of one mean and deviation per channel: 10 ± 1 and -10 ± 1."""
    drawn = np.random.default_rng(0).normal(size=(12, 2, 6, 6)).astype(np.float32)
    return drawn + np.array([10, -10], np.float32).reshape(1, 2, 1, 1)


def options(levels=(2, 4, 16), sigmas=(2.0, 4.0), drop=0.01):
    return SimpleNamespace(levels=levels, sigmas=sigmas, drop=drop)


def closeness(features):
    """A metric that knows the features: the share of coefficients within a third."""
    return lambda received: float((np.abs(received - features) < 1 / 3).mean())


def test_statistics_come_from_the_training_features(normal):
    """Bins lie around the training mean: features elsewhere all fall into the last one."""
    received = through_bytes(normal[:, :1] + 100, normal[:, :1], "layer", 4, 2.0)
    assert np.unique(received).size == 1
    assert received.max() == pytest.approx(10 + 2 * 0.75, abs=0.2)


def test_grid_has_the_metric_and_the_error_of_every_pair(normal):
    """Lines are w, columns N; in a wide range more levels are less error, and channels beat the layer."""
    found = Quantization.of(normal, normal, options(), closeness(normal))
    assert (found.levels, found.sigmas, found.baseline) == ([2, 4, 16], [2.0, 4.0], 1.0)
    for scope in ("layer", "channel", "neuron"):
        assert np.array(found.value[scope]).shape == (2, 3)
    for scope in ("channel", "neuron"):
        assert (np.diff(found.squared_error[scope][1]) < 0).all()
    assert found.squared_error["channel"][1][2] < found.squared_error["layer"][1][2] / 10


def test_smallest_number_of_levels_keeps_to_the_drop(normal):
    """The first N for which some w stays within the drop, with its bits; None where none does."""
    found = Quantization.of(normal, normal, options(levels=(64, 2, 16), drop=0.02), closeness(normal))
    best = found.smallest["channel"]
    assert (best["levels"], best["sigmas"], best["bits"]) == (16, 4.0, 4.0)
    assert best["value"] >= 0.98 > max(line[0] for line in found.value["channel"])
    strict = Quantization.of(normal, normal, options(levels=(2,), drop=0.0), closeness(normal))
    assert strict.smallest == {"layer": None, "channel": None, "neuron": None}
    assert "layer: none" in strict.summary
    assert f"N = 16 at w = 4 ({math.log2(16):.2f} bits)" in found.summary


def test_empty_grid_is_refused(normal):
    """No N or no w is nothing to try."""
    with pytest.raises(ValueError, match=r"levels=\[\], sigmas=\[2.0, 4.0\] leave nothing"):
        Quantization.of(normal, normal, options(levels=()), closeness(normal))
