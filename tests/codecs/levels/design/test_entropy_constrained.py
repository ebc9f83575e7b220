"""The entropy-constrained design: the worked example, the papers' model, falling cost, empty cells."""

import numpy as np
import pytest

from bottleneck.codecs.levels.design.activation_model import ActivationModel
from bottleneck.codecs.levels.design.entropy_constrained import EntropyConstrained
from bottleneck.codecs.levels.design.training_values import SortedValues

EXAMPLE = [0.0] * 8 + [0.1, 0.2, 0.3, 0.5, 0.9, 1.1, 1.4, 2.0, 2.6, 3.0, 3.5, 4.2]


def design(values, *args, **options):
    return EntropyConstrained.design(SortedValues(values), *args, **options)


def model_grid(n=4001):
    """Quantiles of the papers' ResNet-50 density, by summing it up on a fine grid."""
    model = ActivationModel.from_moments(1.1235656, 4.9280124, slope=0.1)
    y = np.linspace(-4, 80, 2_000_001)
    cumulative = np.cumsum(model.density(y))
    return np.interp((np.arange(n) + 0.5) / n, cumulative / cumulative[-1], y)


def test_worked_example():
    """Levels, bits, thresholds, error, rate and cost of the worked example, to its last digit."""
    found = design(EXAMPLE, 0, 3, 4, lagrangian=0.05)
    assert found.levels.round(4).tolist() == [0, 1.1333, 2.0, 3.0]
    assert found.bits.round(4).tolist() == [0.7370, 2.7370, 4.3219, 2.3219]
    assert found.thresholds.round(4).tolist() == [0.6108, 1.6124, 2.4500]
    assert found.squared_error == pytest.approx(0.03383, abs=5e-6)
    assert found.rate == pytest.approx(1.5332, abs=5e-5)
    assert found.squared_error + 0.05 * found.rate == pytest.approx(0.11049, abs=5e-6)
    indices = found.quantizer.indices(np.float32(EXAMPLE))
    assert np.bincount(indices).tolist() == [12, 3, 1, 4]


def test_worked_example_unpinned():
    """The classical design moves the outer levels to the means of their cells."""
    found = design(EXAMPLE, 0, 3, 4, lagrangian=0.05, pinned=False)
    assert found.levels.round(4).tolist() == [0.0917, 1.1333, 2.0, 2.9]
    assert found.squared_error == pytest.approx(0.02679, abs=5e-6)


@pytest.mark.parametrize(
    ("lagrangian", "levels", "thresholds", "rate", "pinned_error", "unpinned_error"),
    [
        (0.0, [0, 2.025, 4.768, 9.036], [1.012, 3.396, 6.902], 1.298, 0.444, 0.508),
        (0.3, [0, 2.369, 5.133, 9.036], [1.316, 3.814, 7.138], 1.206, 0.458, 0.516),
        (1.0, [0, 3.148, 6.027, 9.036], [1.960, 4.873, 7.692], 1.014, 0.582, 0.667),
    ],
)
def test_papers_model(lagrangian, levels, thresholds, rate, pinned_error, unpinned_error):
    """On the papers' density: levels, thresholds and rate; against unclipped values pinning wins."""
    grid = model_grid()
    found = design(grid, 0, 9.0361, 4, lagrangian)
    assert found.levels == pytest.approx(levels, abs=0.02)
    assert found.thresholds == pytest.approx(thresholds, abs=0.02)
    assert found.rate == pytest.approx(rate, abs=0.02)

    def unclipped_error(found):
        received = found.quantizer.levels[found.quantizer.indices(grid.astype(np.float32))]
        return ((grid - received) ** 2).mean()

    assert unclipped_error(found) == pytest.approx(pinned_error, abs=0.02)
    unpinned = design(grid, 0, 9.0361, 4, lagrangian, pinned=False)
    assert unclipped_error(unpinned) == pytest.approx(unpinned_error, abs=0.02)


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("n", [2, 5, 40])
def test_cost_never_rises_and_converges(n, pinned):
    """Each further round costs the same or less, and the rounds end by themselves."""
    values = np.random.default_rng(0).exponential(2, 3000)
    price = 0.3
    runs = [design(values, 0, 7, n, price, pinned, most_rounds=k) for k in range(1, 40)]
    costs = [run.squared_error + price * run.rate for run in runs]
    assert (np.diff(costs) <= 1e-9).all()
    assert design(values, 0, 7, n, price, pinned).rounds < 200


def test_higher_price_of_bits_is_less_rate_and_more_error():
    """Along the price, rate falls and error rises, with fewer and fewer levels in use."""
    values = np.random.default_rng(0).exponential(2, 5000)
    runs = [design(values, 0, 7, 8, price) for price in (0, 0.1, 0.3, 1, 3, 10)]
    assert (np.diff([run.rate for run in runs]) < 0).all()
    assert (np.diff([run.squared_error for run in runs]) > 0).all()
    assert runs[-1].levels.size < runs[0].levels.size
    assert all((run.levels[0], run.levels[-1]) == (0, 7) for run in runs)


def test_levels_without_values_are_left_out_but_the_pinned_ends_stay():
    """Where values leave gaps, or an end unused, levels stay finite and in order."""
    found = design([1.0, 1.01, 6.0, 6.01, 6.02], 0, 10, 11, lagrangian=0.01)
    assert found.levels[[0, -1]].tolist() == [0, 10]
    assert found.levels.size < 11
    assert np.isfinite(found.bits).all()
    assert (np.diff(found.levels) > 0).all()
    assert (np.diff(found.thresholds) > 0).all()
    x = np.float32([1.0, 6.0])
    assert found.quantizer.levels[found.quantizer.indices(x)] == pytest.approx(x, abs=0.02)


@pytest.mark.parametrize("seed", range(15))
def test_each_value_goes_to_the_level_of_least_cost(seed):
    """Whatever the price, the thresholds are those of trying every level of the design."""
    rng = np.random.default_rng(seed)
    values = rng.laplace(0, 2, 500)
    price = float(rng.choice([0.01, 1, 10]))
    found = design(values, -3, 5, int(rng.integers(2, 30)), price)
    x = rng.uniform(-4, 6, 400).astype(np.float32)
    cost = (x[:, None] - found.levels) ** 2 + price * found.bits
    assert np.array_equal(found.quantizer.indices(x), cost.argmin(axis=1))
