"""Strategies predict what they take on a link, and survive JSON."""

import json
import math

import pytest

from bottleneck.runtime.link import Link
from bottleneck.runtime.strategy import Spread, Strategy


def strategy(
    name="layer2", split="layer2", device_ms=(30, 40), payload=(900, 1100), server_ms=(4, 6), value=0.9
):
    return Strategy(name, split, Spread(device_ms), Spread(payload), Spread(server_ms), value)


def test_latency_is_work_bytes_and_a_round_trip():
    """`b + D / B + RTT`, with medians of the work and the mean of the bytes."""
    assert strategy().latency_ms(Link(100_000, 0.02)) == pytest.approx(35 + 5 + 10 + 20)


def test_device_alone_waits_for_no_link():
    """The device's own answer is there before it is sent, on a dead link as well; nothing else is."""
    assert strategy("device", None, server_ms=(0,)).latency_ms(Link(0, 9.0)) == 35
    assert math.isinf(strategy().latency_ms(Link(0)))


def test_kind_is_read_off_split_and_codec():
    """A strategy says which of the three it is."""
    picture = Strategy(
        "jpeg-50", "input", Spread([1]), Spread([9]), Spread([1]), 0.9, codec={"name": "jpeg", "quality": 50}
    )
    assert [s.kind for s in (strategy("device", None), picture, strategy())] == ["device", "server", "shared"]


def test_strategies_survive_json():
    """What was measured, samples and all, is the same after it was written and read."""
    one = strategy()
    assert Strategy.from_dict(json.loads(json.dumps(one.to_dict()))).to_dict() == one.to_dict()


@pytest.mark.parametrize("samples", [[], [1, -1], [float("nan")], [[1]]])
def test_measurements_are_checked(samples):
    """No sample, a negative one and one that is no number are refused."""
    with pytest.raises(ValueError, match="are no measurements"):
        Spread(samples)


@pytest.mark.parametrize("change", [{"splt": "layer2"}, {"device_ms": {"sample": [1]}}, {"device_ms": 3}])
def test_foreign_descriptions_are_refused(change):
    """A description with unknown keys is refused by name."""
    with pytest.raises(ValueError, match="'layer2' describes no strategy"):
        Strategy.from_dict({**strategy().to_dict(), **change})


def test_measured_strategies_are_slowed_on_the_device_alone():
    """The server is as fast as ever, and no byte more is sent."""
    own = Strategy("layer1-0", "layer1", Spread([1, 2]), Spread([10]), Spread([3]), 0.9, bundle="a", point=0)
    slower = own.slower(50)
    assert slower.device_ms == Spread([50, 100])
    assert (slower.payload_bytes, slower.server_ms, slower.name) == (Spread([10]), Spread([3]), "layer1-0")
