"""Histogram: counts, smoothing, ideal bits."""

import json
import math

import numpy as np
import pytest

from bottleneck import codecs
from bottleneck.codecs.entropy.tables import HIGHEST, LOWEST
from bottleneck.codecs.entropy.tables.histogram import Histogram


def test_counts_cover_the_seen_range_and_zero():
    """The range runs from the smallest symbol, or 0, to the largest, or 0, gaps included."""
    histogram = Histogram.fit([np.array([2, 5, 5])])
    assert (histogram.low, histogram.high, histogram.counts.tolist()) == (0, 5, [0, 0, 1, 0, 0, 2])
    histogram = Histogram.fit([np.array([-3]), np.array([-1, -1])])
    assert (histogram.low, histogram.high, histogram.counts.tolist()) == (-3, 0, [1, 0, 2, 0])


def test_fit_streams():
    """Arrays of any shape and width are counted one at a time, the same as all at once."""
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-9, 30, shape) for shape in [(4, 5, 6), (), (0, 3), (100,)]]
    alive = 0

    def stream():
        nonlocal alive
        for array in arrays:
            alive += 1
            yield array.astype(np.int16)

    histogram = Histogram.fit(stream())
    everything = np.concatenate([array.ravel() for array in arrays])
    assert alive == len(arrays)
    assert histogram.to_dict() == Histogram.fit([everything]).to_dict()
    assert histogram.counts.tolist() == [
        (everything == s).sum() for s in range(histogram.low, histogram.high + 1)
    ]


def test_smoothing_adds_one_to_each_symbol_and_one_escape():
    """Each symbol of the range counts once more than seen; the escape counts once."""
    histogram = Histogram.fit([np.array([0, 0, 2])])
    assert histogram.smoothed.tolist() == [3, 1, 2]
    assert histogram.escape == 1


def test_outliers_beyond_the_window_count_as_escapes():
    """Symbols beyond 16 bits widen no table: they raise the escape's count instead."""
    histogram = Histogram.fit(
        [np.array([0, 1, 2**31 - 1]), np.array([-(2**31), LOWEST - 1]), np.array([HIGHEST + 1])]
    )
    assert (histogram.low, histogram.high, histogram.n_outside, histogram.escape) == (0, 1, 4, 5)
    edges = Histogram.fit([np.array([LOWEST, HIGHEST])])
    assert (edges.counts.size, edges.n_outside) == (65536, 0)


def test_ideal_bits_are_minus_log2_of_the_smoothed_distribution():
    """Bits are -log2 p per symbol, with the escape's p and 32 bits for a symbol outside the range."""
    histogram = Histogram.fit([np.array([0, 0, 0, 1])])  # smoothed 4, 2, escape 1: of 7
    assert histogram.ideal_bits(np.array([[0], [1]])) == pytest.approx(math.log2(7 / 4) + math.log2(7 / 2))
    assert histogram.ideal_bits(np.array([2, -1, 2**31 - 1])) == pytest.approx(3 * (math.log2(7) + 32))
    assert histogram.ideal_bits(np.zeros((0, 4), int)) == 0


def test_entropy_is_that_of_the_symbols_seen():
    """Entropy is of the counts as seen, in bits per symbol, escapes as one symbol."""
    assert Histogram(0, [5, 5, 0, 10]).entropy() == pytest.approx(1.5)
    assert Histogram(0, [1], n_outside=1).entropy() == pytest.approx(1)
    assert math.copysign(1, Histogram(0, [9]).entropy()) == 1
    assert Histogram(0, [0]).entropy() == 0


def test_ideal_bits_of_the_training_data_approach_their_entropy():
    """On much data smoothing costs next to nothing, and never less than the entropy."""
    symbols = np.random.default_rng(0).geometric(0.4, 50_000) - 1
    histogram = Histogram.fit([symbols])
    assert 1 <= histogram.ideal_bits(symbols) / (symbols.size * histogram.entropy()) < 1.001


def test_nothing_to_count():
    """Empty arrays give the alphabet {0}; no arrays at all are a mistake and say so."""
    assert Histogram.fit([np.zeros((0, 2), np.int32)]).counts.tolist() == [0]
    with pytest.raises(ValueError, match="no arrays to count"):
        Histogram.fit(iter([]))


def test_only_integers_are_counted():
    """Features where symbols belong are refused."""
    with pytest.raises(ValueError, match="got dtype float32"):
        Histogram.fit([np.zeros(3, np.float32)])
    with pytest.raises(ValueError, match="got dtype float32"):
        Histogram.fit([np.zeros(3, int)]).ideal_bits(np.zeros(3, np.float32))


def test_description_survives_json():
    """A histogram rebuilt from JSON describes itself alike."""
    d = Histogram.fit([np.array([-2, 3, 3, 2**30])]).to_dict()
    assert Histogram.from_dict(json.loads(json.dumps(d))).to_dict() == d


@pytest.mark.parametrize(
    "change",
    [
        {"low": 1},
        {"low": -9},
        {"low": None},
        {"counts": [1, -1, 0]},
        {"counts": []},
        {"counts": [0.5, 1, 1]},
        {"n_outside": -1},
        {"low": LOWEST - 1, "counts": [1] * 40000},
    ],
)
def test_damaged_description_is_refused(change):
    """A description without 0 in its range, or with counts that are none, is refused where it is loaded."""
    d = codecs.create("huffman", (2,)).fit([np.array([-1, 1])]).to_dict()
    assert d["tables"]["histogram"] == {"low": -1, "counts": [1, 0, 1], "n_outside": 0}
    d["tables"]["histogram"] |= change
    with pytest.raises(ValueError, match=r"histogram|negative|not a description"):
        codecs.from_dict(d)
    del d["tables"]["histogram"]["counts"]
    with pytest.raises(ValueError, match="not a description"):
        codecs.from_dict(d)
