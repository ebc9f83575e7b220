"""Levels and thresholds: pinned ends, ties, descriptions that are refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck.codecs.levels.design.scalar_quantizer import ScalarQuantizer

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(
    low=st.floats(-(2.0**100), 2.0**100, width=32),
    span=st.floats(1e-5, 1e6),
    n=st.integers(2, 256),
    values=st.lists(finite, max_size=30),
)
def test_uniform_sends_each_value_to_the_nearest_level(low, span, n, values):
    """The ends are levels exactly; any value comes back as a level as near as there is, and stays there."""
    high = float(np.float32(low + span * max(1, abs(low))))
    quantizer = ScalarQuantizer.uniform(low, high, n)
    levels = quantizer.levels
    assert (levels[0], levels[-1]) == (np.float32(low), np.float32(high))
    x = np.array([*values, low, high], np.float32)
    received = levels[quantizer.indices(x)].astype(np.float64)
    nearest = np.abs(levels.astype(np.float64) - x.clip(levels[0], levels[-1])[:, None]).min(axis=1)
    slack = np.spacing(np.abs(levels).max())
    assert (np.abs(received - x.clip(levels[0], levels[-1])) <= nearest + slack).all()
    assert (np.diff(received[np.argsort(x)]) >= 0).all()
    again = levels[quantizer.indices(received.astype(np.float32))]
    assert np.array_equal(again, received.astype(np.float32))


def test_uniform_is_the_papers_formula():
    """floor((x - low) / step + 0.5) with ties upwards, and infinite outer cells."""
    quantizer = ScalarQuantizer.uniform(-1, 2, 4)
    assert quantizer.levels.tolist() == [-1, 0, 1, 2]
    x = np.float32([-1e30, -1, -0.5, -0.50001, 0.49999, 0.5, 1.5, 1.49999, 2, 1e30])
    assert quantizer.indices(x).tolist() == [0, 0, 1, 0, 1, 2, 3, 2, 3, 3]


def test_ties_below_go_to_the_lower_level():
    """A value at a threshold is in the lower cell, the next float32 in the upper one, also near 1/3."""
    thresholds = np.array([0.5, 2 / 3])
    quantizer = ScalarQuantizer.with_ties_below(np.array([0.0, 0.6, 1.0]), thresholds)
    x = np.float32([0.5, np.nextafter(np.float32(0.5), np.float32(1)), 0.6666666, 0.6666667])
    assert quantizer.indices(x).tolist() == [0, 1, 1, 2]
    assert [np.searchsorted(thresholds, float(v), side="left") for v in x] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("low", "high", "n"),
    [(0, 1, 1), (0, 1, 0), (1, 1, 2), (2, 1, 2), (0, np.inf, 2), (np.nan, 1, 2), (-1e39, 1, 2)],
)
def test_no_range_is_refused(low, high, n):
    """A range without extent or end, or a single level, is refused by value."""
    with pytest.raises(ValueError, match=r"range .* levels is none"):
        ScalarQuantizer.uniform(low, high, n)


def test_description_is_the_quantizer():
    """Through JSON, levels and thresholds come back bit for bit."""
    quantizer = ScalarQuantizer.uniform(0.1, 0.7, 7)
    copy = ScalarQuantizer.from_dict(json.loads(json.dumps(quantizer.to_dict())))
    assert copy.levels.tobytes() == quantizer.levels.tobytes()
    assert copy.thresholds.tobytes() == quantizer.thresholds.tobytes()


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"levels": None, "thresholds": []}, "one threshold less"),
        ({"levels": [], "thresholds": []}, "one threshold less"),
        ({"levels": [0, 1], "thresholds": []}, "one threshold less"),
        ({"levels": [[0, 1]], "thresholds": [0]}, "one threshold less"),
        ({"levels": [0, 1e39], "thresholds": [0]}, "must be finite"),
        ({"levels": [0, 1], "thresholds": [float("nan")]}, "must be finite"),
        ({"levels": [1, 0], "thresholds": [0]}, "must rise"),
        ({"levels": [0, 1, 2], "thresholds": [1, 0]}, "must rise"),
        ({"levels": list(range(257)), "thresholds": list(range(256))}, "1 to 256"),
    ],
)
def test_damaged_description_is_refused(description, message):
    """Levels that are none are refused when they are loaded, so that decoding is safe."""
    with pytest.raises(ValueError, match=message):
        ScalarQuantizer.from_dict(description)
