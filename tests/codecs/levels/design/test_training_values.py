"""What is kept of training features: exact moments, a bounded draw, and sums over cells."""

import numpy as np
import pytest

from bottleneck.codecs.levels.design import training_values
from bottleneck.codecs.levels.design.training_values import SortedValues, TrainingValues


def samples(n=9, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(50, 2, (3, 5)).astype(np.float32) for _ in range(n)]


def test_moments_and_extremes_are_those_of_all_values():
    """Read one at a time, samples give the moments of all their values, and all of the values."""
    given = samples()
    values, together = TrainingValues(s for s in given), np.stack(given).astype(np.float64)
    assert values.mean == pytest.approx(together.mean(), rel=1e-12)
    assert values.variance == pytest.approx(together.var(), rel=1e-9)
    assert (values.low, values.high) == (together.min(), together.max())
    assert np.array_equal(values.draw.values, np.sort(together, axis=None))


def test_draw_is_bounded_fair_and_the_same_again(monkeypatch):
    """Of many values no more than the limit are kept, early and late ones alike, and the same each time."""
    monkeypatch.setattr(training_values, "MOST_VALUES", 3000)
    ramp = [np.arange(i * 100, i * 100 + 100, dtype=np.float32) for i in range(300)]
    values = TrainingValues(ramp)
    kept = values.draw.values
    assert 1000 < kept.size <= 3000
    assert values.mean == pytest.approx(14_999.5)
    assert kept.mean() == pytest.approx(14_999.5, rel=0.05)
    assert np.array_equal(TrainingValues(ramp).draw.values, kept)


def test_no_values_are_a_constant():
    """Empty samples count as zeros."""
    values = TrainingValues([np.empty((0, 3), np.float32)])
    assert (values.mean, values.variance, values.low, values.high) == (0, 0, 0, 0)


def test_cells_are_summed_as_if_one_by_one():
    """Number, sum and squares of each cell; a value at a threshold is below it, empty cells are zeros."""
    values = SortedValues([[3.0, -1.0], [2.0, 2.0]])
    counts, sums, squares = values.cells(np.array([-2.0, 2.0, 2.5]))
    assert counts.tolist() == [0, 3, 0, 1]
    assert sums.tolist() == [0, 3, 0, 3]
    assert squares.tolist() == [0, 9, 0, 9]
