"""Operating points are checked when they are made."""

import functools

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
        ({"codec": {"name": "png"}}, "codes pixels"),
        ({"codec": {"name": "hufman"}}, "huffman"),
        ({"rate": functools.partial(L1Rate, normalisation="pixel")}, r"rate\.normalisation"),
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
    point = OperatingPoint(UNIT, np.float32(0.5))
    other = point.at(alpha=2.0, step=0.25)
    assert (point.alpha, point.unit["step"]) == (0.5, 1.0)
    assert (other.alpha, dict(other.unit)) == (2.0, {**UNIT, "step": 0.25})
    assert type(point.alpha) is float
