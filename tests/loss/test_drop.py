"""A target of the metric: the price finds its way there, and is refused where it cannot."""

import math

import pytest

from bottleneck.loss import L1Rate, Loss, NoRate, OperatingPoint
from bottleneck.loss.drop import JUDGEMENTS, DropTarget
from bottleneck.loss.target import ByteTarget

UNIT = {"latent_channels": 8, "stride": 2, "step": 1.0}


@pytest.mark.parametrize("settles_at", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("wanted", [0.01, 0.05])
def test_price_settles_where_the_drop_is_the_one_wanted(settles_at, wanted):
    """A learner that begins lost and answers a price late ends within a fifth of the drop, from any start."""
    target, learned = DropTarget(wanted), 0.0
    for judgement in range(1, JUDGEMENTS + 1):
        learned += 0.7 * (math.log(target.price / settles_at) - learned)
        drop = wanted * math.exp(0.4 * learned) + 0.9 * math.exp(-judgement)
        target.update(drop, judgement / JUDGEMENTS)
    assert drop == pytest.approx(wanted, rel=0.2)


@pytest.mark.parametrize("drop", [-0.01, 0.0])
def test_no_drop_at_all_makes_the_rate_dearer(drop):
    """Where nothing is lost, or something is won, the price rises, by a bounded factor."""
    target = DropTarget(0.01)
    target.update(drop, 0.9)
    assert 1.0 < target.price < 10.0


def test_beginning_says_nothing_about_the_price():
    """A unit that has learned nothing yet does not make the rate cheap."""
    target = DropTarget(0.01)
    target.update(0.9, 0.1)
    assert target.price == 1.0


@pytest.mark.parametrize("wanted", [0, -0.1, 1, 3])
def test_drops_are_between_nothing_and_everything(wanted):
    """Points of a hundred are no drop; the message has an example of one."""
    with pytest.raises(ValueError, match=f"target_drop={wanted} must be above 0 and below 1; 0.01 is one"):
        OperatingPoint(UNIT, 1.0, target_drop=wanted)


def test_drop_needs_a_rate_that_can_be_dearer():
    """Where nothing is paid, no price can adapt."""
    with pytest.raises(ValueError, match="target_drop= needs a rate whose price can adapt"):
        OperatingPoint(UNIT, 1.0, rate=NoRate, target_drop=0.01)


def test_one_price_follows_one_target():
    """Two targets are refused together; a point at another target leaves the first behind."""
    with pytest.raises(ValueError, match=r"target_bytes=8 and target_drop=0.01 exclude each other"):
        OperatingPoint(UNIT, 1.0, rate=L1Rate, target_bytes=8, target_drop=0.01)
    point = OperatingPoint(UNIT, 1.0, target_drop=0.01)
    assert point.at(target_drop=0.02).target_drop == 0.02
    assert point.at(alpha=2.0).target_drop == 0.01


def test_price_goes_on_from_a_state():
    """A target that takes over another's state does what that one does."""
    one, other = DropTarget(0.01), DropTarget(0.01)
    for progress in (0.3, 0.4, 0.5):
        one.update(0.03, progress)
    other.load_state(one.state())
    assert other.price == one.price < 1
    one.update(0.02, 0.6)
    other.update(0.02, 0.6)
    assert other.price == one.price


def test_price_of_another_kind_of_target_is_not_taken_over():
    """Whoever asks for bytes where a drop was asked for begins with a price of bytes, and the other way."""
    rate = L1Rate((2, 2, 2), 64)
    rate.in_bits = True
    drop, size = Loss(rate, 1.0, DropTarget(0.01)), Loss(rate, 1.0, ByteTarget(9.0))
    size.target.update(90.0, 0.1)
    for one, other in ((drop, size), (size, drop)):
        before = one.steering()
        one.load_steering(other.steering())
        assert one.steering() == before
