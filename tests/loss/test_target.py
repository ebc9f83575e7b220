"""A target of bytes: the price finds its way there, and is refused where it cannot."""

import functools
import math

import pytest

from bottleneck.loss import L1Rate, OperatingPoint
from bottleneck.loss.density import DensityRate
from bottleneck.loss.target import ByteTarget

UNIT = {"latent_channels": 8, "stride": 2, "step": 1.0}


@pytest.mark.parametrize("price", [1e-6, 1e-3, 10.0])
@pytest.mark.parametrize("wanted", [5.0, 500.0])
def test_price_settles_where_the_bytes_are_those_wanted(price, wanted):
    """A learner that answers a price with fewer bytes, late, ends within 5 % of the target from any start."""
    target, spent = ByteTarget(wanted, price), 10 * wanted
    for step in range(3000):
        answer = wanted * math.exp(-0.4 * math.log(target.price / 0.01))  # what this price would lead to
        spent += 0.02 * (answer - spent)
        target.update(spent, step / 3000)
    assert spent == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("wanted", [0, -3])
def test_targets_are_positive(wanted):
    """Nothing cannot be aimed at."""
    with pytest.raises(ValueError, match=f"target_bytes={wanted} must be positive"):
        OperatingPoint(UNIT, 1.0, rate=DensityRate, target_bytes=wanted)


def test_target_needs_bits():
    """The L1 norm has no unit, so no bytes can be aimed at with it."""
    with pytest.raises(ValueError, match=r"target_bytes= needs a rate in bits: use rate=density"):
        OperatingPoint(UNIT, 1.0, rate=functools.partial(L1Rate, normalisation="sum"), target_bytes=10)
