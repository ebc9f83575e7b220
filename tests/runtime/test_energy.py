"""Energy is what the constants say."""

import math

import pytest

from bottleneck.runtime.energy import Energy
from bottleneck.runtime.link import Link
from bottleneck.runtime.strategy import Spread, Strategy


def strategy(split):
    return Strategy("s", split, Spread([40]), Spread([10_000]), Spread([10]), 0.9)


def test_energy_adds_work_waiting_bytes_and_tail():
    """2 W for 40 ms, 0.5 W for 100 ms of link, 20 ms of round trip and 10 of server, 1 uJ a byte, a tail."""
    energy = Energy(computing=2.0, waiting=0.5, byte=1e-6, tail=0.003)
    assert energy.mj(strategy("layer2"), Link(100e3, 0.02)) == pytest.approx(80 + 65 + 10 + 3)
    assert energy.mj(strategy(None), Link(100e3, 0.02)) == 80
    assert math.isinf(energy.mj(strategy("layer2"), Link(0.0)))


@pytest.mark.parametrize("key", ["computing", "waiting", "byte", "tail"])
@pytest.mark.parametrize("value", [-1, "abc"])
def test_impossible_energy_is_refused(key, value):
    """A slip in a constant is named with its key."""
    with pytest.raises(ValueError, match=f"energy.{key}={value} is no energy"):
        Energy(**{"computing": 1.0, key: value})
