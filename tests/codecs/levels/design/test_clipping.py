"""Clipping ranges: the papers' table, and what each rule promises on training values."""

import functools

import numpy as np
import pytest

from bottleneck.codecs.levels.design.activation_model import ActivationModel
from bottleneck.codecs.levels.design.clipping import RULES, best_range, uniform_error
from bottleneck.codecs.levels.design.training_values import TrainingValues

RESNET, YOLO = (1.1235656, 4.9280124), (0.4484323, 0.5742644)
#: Network, levels, upper end and error with the lower end at 0, both ends when both are free.
TABLE = [
    (RESNET, 2, 5.184, 1.64472, (0.360, 5.544)),
    (RESNET, 3, 7.511, 0.83387, (0.148, 7.658)),
    (RESNET, 4, 9.036, 0.52551, (0.052, 9.088)),
    (RESNET, 5, 10.175, 0.37047, (0.003, 10.177)),
    (RESNET, 6, 11.084, 0.27982, (-0.031, 11.053)),
    (RESNET, 7, 11.842, 0.22151, (-0.052, 11.791)),
    (RESNET, 8, 12.492, 0.18143, (-0.065, 12.428)),
    (YOLO, 2, 1.674, 0.20540, (0.171, 1.844)),
    (YOLO, 3, 2.425, 0.10374, (0.086, 2.511)),
    (YOLO, 4, 2.918, 0.06507, (0.048, 2.965)),
    (YOLO, 5, 3.285, 0.04563, (0.026, 3.311)),
    (YOLO, 6, 3.579, 0.03427, (0.012, 3.591)),
    (YOLO, 7, 3.824, 0.02696, (0.003, 3.826)),
    (YOLO, 8, 4.034, 0.02193, (-0.003, 4.030)),
]


def laplace(n=50_000, seed=0):
    return TrainingValues([np.random.default_rng(seed).laplace(0.3, 2, n).astype(np.float32)])


def relu(n=50_000, seed=0):
    values = np.random.default_rng(seed).laplace(-0.5, 2, n).astype(np.float32)
    return TrainingValues([np.maximum(values, 0)])


@pytest.mark.parametrize(("moments", "n", "high", "error", "joint"), TABLE)
def test_papers_table(moments, n, high, error, joint):
    """With the lower end at 0, range and error to the digits of the papers; with both free, no worse."""
    mean, variance = moments
    model = ActivationModel.from_moments(mean, variance, slope=0.1)
    of_range = functools.partial(model.squared_error, n_levels=n)
    search = functools.partial(best_range, of_range, model.support, mean, variance**0.5)
    assert search(free_low=False) == (0, pytest.approx(high, abs=6e-4))
    assert of_range(0, high) == pytest.approx(error, abs=5.1e-6)
    found = search(free_low=True)
    assert found == pytest.approx(joint, abs=2e-3)  # the error is so flat that the table's last digit is free
    assert of_range(*found) <= of_range(*joint) + 1e-12


@pytest.mark.parametrize("n", [2, 3, 4, 7, 16, 256])
@pytest.mark.parametrize(("values", "slope", "free_low"), [(laplace(), 1.0, True), (relu(), 0.0, False)])
def test_empirical_range_is_the_best_for_the_values(n, values, slope, free_low):
    """No range a little wider, narrower or moved has less error, and the model's has hardly more."""
    low, high = RULES["empirical"](values, n, slope, free_low)
    error = uniform_error(values.draw, low, high, n)
    for factor in (0.9, 0.97, 1.03, 1.1):
        assert error <= uniform_error(values.draw, low, high * factor, n) * (1 + 1e-9)
        if free_low:
            assert error <= uniform_error(values.draw, low * factor, high, n) * (1 + 1e-9)
    model = RULES["model"](values, n, slope, free_low)
    assert error <= uniform_error(values.draw, *model, n) <= 1.15 * error + 1e-3


def test_model_gives_way_to_the_values_where_it_does_not_apply():
    """Moments that no activation has are no error: the range is then the best for the values."""
    values = TrainingValues([np.float32([100, 100.01, 100.02, 99.99])])
    assert RULES["model"](values, 4, 0.0, False) == RULES["empirical"](values, 4, 0.0, False)


@pytest.mark.parametrize(
    ("n", "free_low", "factor"),
    [
        (2, True, 1.86),
        (4, True, 2.83),
        (8, True, 3.89),
        (256, True, 9.89),
        (2, False, 2.83),
        (8, False, 5.03),
    ],
)
def test_aciq_factors_are_the_published_ones(n, free_low, factor):
    """Times the mean deviation: 1.86, 2.83, 3.89 ... for 1, 2, 3 ... bits, one bit further from 0 on."""
    values = laplace()
    scale = np.abs(values.draw.values - values.mean).mean()
    low, high = RULES["aciq"](values, n, 1.0, free_low)
    assert (high - (values.mean if free_low else 0)) / scale == pytest.approx(factor, abs=0.01)
    assert low == (pytest.approx(2 * values.mean - high) if free_low else 0)


def test_extremes_and_percentiles_are_those_of_the_values():
    """`minmax` cuts off nothing, `percentile` a thousandth at each free end."""
    values = laplace()
    assert RULES["minmax"](values, 4, 1.0, True) == (values.low, values.high)
    low, high = RULES["percentile"](values, 4, 1.0, True)
    beyond = values.draw.values[(values.draw.values < low) | (values.draw.values > high)]
    assert beyond.size / values.draw.values.size == pytest.approx(0.002, abs=1e-4)
    for rule in ("minmax", "percentile"):
        assert RULES[rule](values, 4, 1.0, False)[0] == 0
