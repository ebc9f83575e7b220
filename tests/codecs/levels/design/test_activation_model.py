"""The density of activations: the papers' parameters, moments and errors against simulation."""

import itertools
import math

import numpy as np
import pytest

from bottleneck.codecs.levels.design.activation_model import ActivationModel

#: Mean, variance, rate, location; ResNet-50 behind layer 21 and YOLOv3 behind layer 12, slope 0.1.
PAPER = [(1.1235656, 4.9280124, 0.7716595, -1.4350621), (0.4484323, 0.5742644, 2.38995, -0.30888)]


def activations(model, n=400_000, seed=0):
    """A draw of Y from the definition of the asymmetric Laplace density, independent of our integrals."""
    rng = np.random.default_rng(seed)
    right = rng.random(n) < 1 / (1 + model.asymmetry**2)
    size = rng.exponential(1 / model.rate, n)
    x = model.location + np.where(right, size / model.asymmetry, -size * model.asymmetry)
    return np.where(x >= 0, x, model.slope * x)


MODELS = [
    ActivationModel(0.8, -1.4, 0.1),
    ActivationModel(0.8, -1.4, 0.0),
    ActivationModel(2.0, 0.7, 0.1),
    ActivationModel(2.0, 0.7, 0.0),
    ActivationModel(0.3, 0.9, 1.0, asymmetry=1.0),
    ActivationModel(0.3, -0.9, 1.0, asymmetry=1.5),
]
each_model = pytest.mark.parametrize("model", MODELS, ids=str)


@pytest.mark.parametrize(("mean", "variance", "rate", "location"), PAPER)
def test_papers_parameters(mean, variance, rate, location):
    """Mean and variance of the papers' networks give the papers' rate and location."""
    model = ActivationModel.from_moments(mean, variance, slope=0.1)
    assert model.rate == pytest.approx(rate, rel=1e-5)
    assert model.location == pytest.approx(location, rel=1e-5)


@pytest.mark.parametrize("slope", [0.0, 0.1])
@pytest.mark.parametrize(("rate", "location"), [(0.7, -1.4), (5.0, -0.01), (0.01, -300.0)])
def test_moments_are_the_papers_closed_form(slope, rate, location):
    """Behind a location below 0, mean and variance are those of the paper's formulas."""
    k = 0.5
    above = math.exp(rate * k * location) / (1 + k**2)
    mean_x, var_x = location + (1 - k**2) / (rate * k), (1 + k**4) / (rate * k) ** 2
    mean = (1 - slope) * above / (rate * k) + slope * mean_x
    square = (1 - slope**2) * 2 * above / (rate * k) ** 2 + slope**2 * (var_x + mean_x**2)
    model = ActivationModel(rate, location, slope)
    assert model.moments == pytest.approx((mean, square - mean**2), rel=1e-6)


@each_model
def test_parameters_come_back_from_the_moments(model):
    """Any rate and location are found again from mean and variance, above 0 and below."""
    found = ActivationModel.from_moments(*model.moments, model.slope, model.asymmetry)
    assert found.rate == pytest.approx(model.rate, rel=1e-6)
    assert found.location == pytest.approx(model.location, rel=1e-6)


@each_model
def test_moments_and_errors_agree_with_simulation(model):
    """Mean, variance and the error of ranges and levels are within 1 % of a million draws'."""
    y = activations(model, 1_000_000)
    assert model.moments == pytest.approx((y.mean(), y.var()), rel=0.01, abs=0.01 * y.std())
    for low, high, n in [(0.0, y.mean() + y.std(), 2), (-y.std(), 3 * y.std(), 5)]:
        step = (high - low) / (n - 1)
        received = low + step * np.floor((y.clip(low, high) - low) / step + 0.5)
        assert model.squared_error(low, high, n) == pytest.approx(((y - received) ** 2).mean(), rel=0.01)


@each_model
def test_density_agrees_with_simulation(model):
    """The density integrates to what is not exactly 0, and each bin holds its share of a draw."""
    y = activations(model)
    edges = np.linspace(*np.percentile(y[y != 0], [1, 99]), 41)
    counts, _ = np.histogram(y[y != 0], edges)
    fine = (np.arange(400) + 0.5) / 400
    expected = [
        model.density(low + (high - low) * fine).mean() * (high - low)
        for low, high in itertools.pairwise(edges)
    ]
    assert np.abs(counts / y.size - expected).max() < 0.002


def test_support_holds_all_but_nothing():
    """Beyond the support the density has fallen by e^-60, and a draw lies within."""
    for model in MODELS:
        low, high = model.support
        y = activations(model)
        assert low <= y.min()
        assert y.max() <= high
        outside = model.density(np.array([low * 1.01 - 1e-9, high * 1.01]))
        assert (outside <= math.exp(-60) * model.density(np.linspace(low, high, 10_000)).max()).all()


@pytest.mark.parametrize(
    ("mean", "variance"), [(1.0, 0.0), (0.0, 0.0), (100.0, 1e-4), (-1.0, 1.0), (math.nan, 1.0)]
)
def test_moments_of_no_activation_are_refused(mean, variance):
    """Constant values, and means that a ReLU cannot have, get the other way to set the range."""
    with pytest.raises(ValueError, match=r"no asymmetric Laplace density behind slope 0.*'empirical'"):
        ActivationModel.from_moments(mean, variance)
