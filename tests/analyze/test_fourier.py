"""Frequency truncation, on features of one frequency."""

import re

import numpy as np
import pytest

from bottleneck.analyze.fourier import ORDERS, Fourier, low_frequencies


def test_all_frequencies_are_the_feature():
    """With every bin kept, each order of axes gives the feature back, odd sizes included."""
    features = np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype(np.float32)
    for order in ORDERS:
        assert low_frequencies(features, order, 1.0) == pytest.approx(features, abs=1e-5)


def test_one_wave_is_kept_or_lost_by_its_frequency():
    """A wave along one axis survives just where that axis varies slowest in the vector."""
    wave = np.cos(2 * np.pi * np.arange(8) / 8)
    for axis, name in enumerate("CHW"):
        shape = [1, 1, 1]
        shape[axis] = 8
        features = np.broadcast_to(wave.reshape(shape), (1, 8, 8, 8)).astype(np.float32)
        for order in ORDERS:
            kept = low_frequencies(features, order, 0.1)
            lost = float(((kept - features) ** 2).sum() / (features**2).sum())
            if order[0] == name:
                assert lost < 0.05
            if order[-1] == name:
                assert lost > 0.95


def test_least_fraction_keeps_the_mean():
    """At least the lowest bin is kept, which is the mean of all coefficients."""
    features = np.random.default_rng(0).normal(2, 1, (2, 2, 3, 3)).astype(np.float32)
    kept = low_frequencies(features, "HCW", 1e-9)
    assert kept == pytest.approx(np.broadcast_to(features.mean(axis=(1, 2, 3), keepdims=True), kept.shape))


def test_metric_and_error_are_reported_for_each_order_and_fraction():
    """Error falls with the share that is kept; the metric is asked of the truncated features themselves."""
    features = np.random.default_rng(0).normal(size=(3, 4, 4, 4)).astype(np.float32)
    found = Fourier.of(features, [0.1, 0.5, 1.0], metric=lambda f: float(np.allclose(f, features, atol=1e-4)))
    assert found.baseline == 1
    assert set(found.value) == set(ORDERS)
    for order in ORDERS:
        assert found.value[order] == [0, 0, 1]
        assert (np.diff(found.squared_error[order]) < 0).all()
        assert found.squared_error[order][-1] < 1e-9


@pytest.mark.parametrize("fractions", [[0], [-0.1], [1.5], []])
def test_impossible_fraction_is_refused(fractions):
    """A share of nothing, more than all, or no share at all, is refused by value."""
    with pytest.raises(ValueError, match=re.escape(f"fourier.fractions={fractions} are no shares")):
        Fourier.of(np.zeros((1, 1, 2, 2), np.float32), fractions, metric=lambda f: 0.0)
