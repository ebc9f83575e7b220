"""Operating points are checked when they are made."""

import functools
import re

import numpy as np
import pytest

from bottleneck.loss import L1Rate, OperatingPoint
from bottleneck.loss.context import ContextRate
from bottleneck.loss.density import DensityRate

UNIT = {"latent_channels": 8, "stride": 2, "step": 1.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -1}, "alpha=-1"),
        ({"alpha": "3"}, "alpha='3'"),
        ({"alpha": float("nan")}, "alpha=nan"),
        ({"kind": "slimm"}, "slim"),
        ({"unit": {**UNIT, "latent_chanels": 8}}, r"unit\.latent_chanels is no option.*latent_channels"),
        ({"unit": {}}, r"unit 'depthwise' needs unit\.latent_channels"),
        ({"unit": {**UNIT, "channels": 3}}, r"unit\.channels is no option"),
        ({"unit": {**UNIT, "latent_channels": "x"}}, r"unit\.latent_channels=x must be a whole number"),
        ({"unit": {**UNIT, "stride": [2, 0]}}, r"unit\.stride=0 must be a whole number"),
        ({"unit": {**UNIT, "step": -1}}, r"unit\.step=-1 is no quantization step"),
        ({"unit": "depthwise"}, "unit='depthwise' must be a mapping"),
        ({"codec": "range"}, "codec='range' must be a mapping"),
        ({"codec": {}}, "has no name"),
        ({"codec": {"name": "png"}}, "codes pixels"),
        ({"codec": {"name": "hufman"}}, "huffman"),
        ({"rate": functools.partial(L1Rate, normalisation="pixel")}, r"rate\.normalisation"),
        ({"headroom": 3}, "headroom=3 must be from 1 to 2"),
        ({"rate": DensityRate, "target_bytes": 9.0, "rates": 3, "headroom": 1.5}, "is for one payload"),
        ({"seed": None}, "seed=None must be a whole number"),
        ({"seed": 1.5}, r"seed=1\.5 must be a whole number"),
        ({"rate": DensityRate, "rates": 3}, "set it, with rate=density"),
        ({"rate": ContextRate, "rates": 3, "target_bytes": 9.0}, "share a density .* ContextRate has none"),
    ],
)
def test_what_cannot_be_trained_is_refused(options, message):
    """A wrong weight, kind, option, codec or rate is named before any network is loaded."""
    with pytest.raises(ValueError, match=message):
        OperatingPoint(**{"unit": UNIT, "alpha": 1.0, **options})


def test_points_are_values():
    """Another alpha or step is another point; the first stays as it was, and numbers may be NumPy's."""
    given = dict(UNIT)
    point = OperatingPoint(given, np.float32(0.5))
    given["stride"] = 9
    assert point.unit["stride"] == 2
    other = point.at(alpha=2.0, step=0.25)
    assert (point.alpha, point.unit["step"]) == (0.5, 1.0)
    assert (other.alpha, dict(other.unit)) == (2.0, {**UNIT, "step": 0.25})
    assert type(point.alpha) is float


@pytest.mark.parametrize(
    ("asked", "sent", "lost", "message"),
    [
        ({"target_bytes": 100.0}, 104.0, (0.0, 0.1), None),
        ({"target_bytes": 100.0}, 96.0, (0.0, 0.1), None),
        (
            {"target_bytes": 100.0},
            87.0,
            (0.0, 0.1),
            "87.0 bytes are sent, fewer than target_bytes=100.*latent_chan",
        ),
        ({"target_bytes": 100.0}, 112.0, (0.0, 0.1), "112.0 bytes are sent, more than .*max_epochs"),
        ({"target_drop": 0.01}, 50.0, (0.005, 0.03), None),
        (
            {"target_drop": 0.01},
            50.0,
            (0.012, 0.03),
            "0.0120 of the metric and more .*target_drop=0.01.*channels",
        ),
        ({}, 50.0, (0.5, 0.6), None),
        ({"target_bytes": 100.0, "rates": 4}, 50.0, (0.5, 0.6), None),
    ],
)
def test_what_was_asked_for_and_missed_is_said(asked, sent, lost, message):
    """Bytes that differ by more than five percent, and a drop that is surely larger, with the cure."""
    missed = OperatingPoint(UNIT, 1.0, rate=DensityRate, **asked).missed(sent, lost)
    assert missed is None if message is None else re.search(message, missed)
