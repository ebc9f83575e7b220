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


def test_price_does_not_sink_out_of_reach_while_little_is_spent():
    """After a long stage that spends less than is allowed, the target is reached as after a short one."""
    wanted = spent = 500.0
    target = ByteTarget(wanted)
    for step in range(6000):
        answer = wanted * min(1.2, math.exp(-0.4 * math.log(target.price / 0.001)))
        spent += 0.02 * (answer - spent)
        target.update(spent, max(0, step - 3000) / 3000)  # matching first, then the task
    assert spent == pytest.approx(wanted, rel=0.05)


def test_what_images_really_take_is_what_is_meant():
    """Where steps say a tenth less than is sent, weighing it twice brings what is sent to the target."""
    wanted = spent = 50.0
    target = ByteTarget(wanted)
    for step in range(3000):
        answer = wanted * math.exp(-0.4 * math.log(target.price / 0.01))
        spent += 0.02 * (answer - spent)
        target.update(0.9 * spent, step / 3000)
        if step in (2100, 2550):
            target.weigh(spent)
    assert spent == pytest.approx(wanted, rel=0.03)


def test_price_goes_on_from_a_state():
    """A target that takes over another's state does what that one does."""
    stopped, whole = ByteTarget(8.0), ByteTarget(8.0)
    for target in (stopped, whole):
        target.weigh(13.0)
        for step in range(200):
            target.update(5 + step % 7, step / 400)
    resumed = ByteTarget(8.0)
    resumed.load_state(stopped.state())
    for step in range(200, 400):
        for target in (resumed, whole):
            target.update(5 + step % 7, step / 400)
        assert resumed.price == whole.price


def test_price_does_not_jump_where_a_training_begins_in_its_middle():
    """A checkpoint without a price says how far the training is; that is no reason to turn for all of it."""
    target = ByteTarget(8.0, price=1e-3)
    target.update(80.0, 0.7)
    assert target.price < 1e-3 * math.exp(3.1)  # the proportional part of once too much


@pytest.mark.parametrize("wanted", [0, -3, 0.5])
def test_targets_are_payloads(wanted):
    """Nothing cannot be aimed at, and no payload has half a byte."""
    with pytest.raises(ValueError, match=f"target_bytes={wanted} must be finite and at least 1"):
        OperatingPoint(UNIT, 1.0, rate=DensityRate, target_bytes=wanted)


def test_several_rates_are_an_eighth_to_the_whole_of_the_payload_asked_for():
    """Each rate has its own density and target; without a payload, or with half a rate, they are refused."""
    point = OperatingPoint(UNIT, 1.0, rate=DensityRate, target_bytes=16, rates=4)
    targets = [loss.target.wanted for loss in point.losses_by_rate((8, 2, 2), 64).losses]
    assert targets == pytest.approx([16, 8, 4, 2])
    with pytest.raises(ValueError, match=r"unit\.rates=4 are rates up to target_bytes="):
        OperatingPoint(UNIT, 1.0, rate=DensityRate, rates=4)
    with pytest.raises(ValueError, match=r"unit\.rates=2\.5 must be a whole number"):
        OperatingPoint(UNIT, 1.0, rate=DensityRate, target_bytes=16, rates=2.5)


def test_training_is_steered_towards_the_headroom():
    """The price follows more bytes than are asked for; what was missed is still told of those asked for."""
    point = OperatingPoint(UNIT, 1.0, rate=DensityRate, target_bytes=16, headroom=1.5)
    assert point.loss([(8, 2, 2)], 64, 1.0).target.wanted == 24
    assert point.missed(16.2, (0.0, 0.1)) is None
    assert "fewer than target_bytes=16" in point.missed(12.0, (0.0, 0.1))


def test_target_needs_bits():
    """The L1 norm has no unit, so no bytes can be aimed at with it."""
    with pytest.raises(ValueError, match=r"target_bytes= needs a rate in bits: use rate=density"):
        OperatingPoint(UNIT, 1.0, rate=functools.partial(L1Rate, normalisation="sum"), target_bytes=10)
