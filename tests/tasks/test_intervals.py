"""Intervals: known values, coverage, and nothing beyond what is possible."""

import numpy as np
import pytest

from bottleneck.tasks.intervals import paired_interval, proportion_interval


@pytest.mark.parametrize(
    ("value", "n", "low", "high"),
    [(0.5, 10, 0.2366, 0.7634), (0.97, 1000, 0.9575, 0.9789), (1.0, 20, 0.8389, 1.0)],
)
def test_proportion_interval_is_wilsons(value, n, low, high):
    """The interval agrees with tabulated Wilson intervals to four decimals."""
    assert proportion_interval(value, n) == pytest.approx((low, high), abs=1e-4)


def test_paired_interval_uses_the_pairing():
    """Two methods that err on the same samples are told apart better than two that err on others."""
    scores = np.random.default_rng(0).integers(0, 2, 200).astype(float)
    low, high = paired_interval(scores, scores)
    assert -0.01 < low <= 0 <= high < 0.01
    low, high = paired_interval(scores, np.roll(scores, 1))
    assert low < -0.05 < 0.05 < high


def test_intervals_stay_within_what_is_possible():
    """No proportion is above 1, and no difference of two beyond -1 to 1, however few samples there are."""
    for n in (1, 2, 5):
        right, wrong = np.ones(n), np.zeros(n)
        for reference, scores in ((right, right), (right, wrong), (wrong, right), (wrong, wrong)):
            low, high = paired_interval(reference, scores)
            assert -1 <= low <= (reference - scores).mean() <= high <= 1
        assert 0 <= proportion_interval(0.0, n)[0] <= proportion_interval(1.0, n)[1] <= 1


def test_paired_interval_is_newcombes():
    """The interval agrees with the worked example of the paper's table (36, 12, 2 and 0 of 50)."""
    counts = ((1, 1, 36), (1, 0, 12), (0, 1, 2), (0, 0, 0))
    reference = np.concatenate([np.full(n, first) for first, _, n in counts]).astype(float)
    scores = np.concatenate([np.full(n, second) for _, second, n in counts]).astype(float)
    assert paired_interval(reference, scores) == pytest.approx((0.0569, 0.3404), abs=2e-3)


def test_paired_interval_covers_the_truth():
    """Over many draws the 95 % interval holds the true difference about 95 times in 100."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        reference = (rng.random(300) < 0.9).astype(float)
        scores = reference * (rng.random(300) < 0.95)
        low, high = paired_interval(reference, scores)
        hits += low <= 0.9 * 0.05 <= high
    assert 0.91 <= hits / 400 <= 0.98
