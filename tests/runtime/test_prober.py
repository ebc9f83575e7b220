"""Probes leave where knowing the link could change something, and grow until they can be measured."""

from bottleneck.runtime.controller import Controller
from bottleneck.runtime.estimator import TINY, Estimator
from bottleneck.runtime.link import Link
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.prober import Prober
from bottleneck.runtime.strategy import Spread, Strategy


def strategy(name, split, device_ms, size):
    return Strategy(name, split, Spread([device_ms]), Spread([size]), Spread([0]), 0.9)


DEVICE, SHARED = strategy("device", None, 100, 1), strategy("shared", "layer2", 20, 100_000)


def prober(strategies, bandwidth=10e3):
    estimator = Estimator(Link(bandwidth, 0.02))
    controller = Controller(strategies, Policy("accuracy"))
    controller.choose(Link(bandwidth, 0.02), 0.0)
    return estimator, Prober(estimator, controller)


def test_pings_come_first_and_once_a_second_at_most():
    """The round trip is asked for; while anything is on its way, nothing is."""
    estimator, asks = prober([DEVICE, SHARED])
    assert asks.size(0.0) == 0
    estimator.sent(0, 0, 0.0)
    assert asks.size(0.01) is None
    estimator.confirmed(0, 0, 0.02)
    assert asks.size(0.02) == 100


def test_probes_double_until_they_are_measured():
    """On a link a thousand times faster than believed, ten probes in a row are enough."""
    estimator, asks = prober([DEVICE, SHARED])
    now, sizes = 0.0, []
    for number in range(16):
        size = asks.size(now)
        if size is not None:
            sizes.append(size)
            estimator.sent(number, size, now)
            estimator.confirmed(number, size, now + 0.02 + size / 10e6)
        now += 0.1
    probes = [size for size in sizes if size]
    assert probes == sorted(probes)
    assert probes[:4] == [100, 200, 400, 800]
    assert estimator.link(now).bandwidth > 5e6


def test_a_dead_link_is_pinged_once_a_second():
    """Whether it lives again is all that is asked."""
    estimator, asks = prober([DEVICE, SHARED])
    for number in (0, 1):
        estimator.sent(number, 1000, 0.0)
    now, pings = 5.0, []
    for tick in range(30):
        size = asks.size(now + tick / 10)
        if size is not None:
            pings.append(size)
            estimator.sent(10 + tick, size, now + tick / 10)
    assert pings == [0, 0, 0]


def test_nothing_is_probed_that_would_change_nothing():
    """With one strategy there are pings alone."""
    estimator, asks = prober([DEVICE])
    sizes = set()
    for tick in range(100):
        size = asks.size(tick / 10)
        sizes.add(size)
        if size is not None:
            estimator.sent(tick, size, tick / 10)
            estimator.confirmed(tick, size, tick / 10 + 0.02)
    assert sizes == {0, None}


def test_a_probe_of_the_bandwidth_is_no_ping():
    """However little is sent, and however slow the link, it is large enough to measure more than the way."""
    small = strategy("shared", "layer2", 20, 10)
    for bandwidth in (10.0, 1e9):
        estimator, asks = prober([DEVICE, small], bandwidth)
        assert asks.size(0.0) == 0
        estimator.sent(0, 0, 0.0)
        estimator.confirmed(0, 0, 0.02)
        size = asks.size(0.02)
        assert size is None if bandwidth > 1e6 else size > TINY
