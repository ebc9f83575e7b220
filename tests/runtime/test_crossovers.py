"""Crossovers are where the latency model says, with intervals that cover what is not known."""

import math

import numpy as np
import pytest

from bottleneck.runtime.crossovers import crossover, regions
from bottleneck.runtime.link import Link
from bottleneck.runtime.strategy import Spread, Strategy


def strategy(name, ms, size, **kind):
    size = size if isinstance(size, list) else [size]
    ms = ms if isinstance(ms, list) else [ms]
    kind = {"split": None if name == "device" else "layer2", **kind}
    return Strategy(
        name, device_ms=Spread(ms), payload_bytes=Spread(size), server_ms=Spread([0]), value=0.9, **kind
    )


# The worked example of the thesis: b = 100, 40, 20 ms; D = 0, 10, 30 kB.
DEVICE, SHARED, SERVER = (
    strategy("device", 100, 0),
    strategy("shared", 40, 10_000),
    strategy("server", 20, 30_000),
)


@pytest.mark.parametrize(
    ("pair", "bandwidth"),
    [((DEVICE, SHARED), 166.7e3), ((SHARED, SERVER), 1.0e6), ((DEVICE, SERVER), 375e3)],
)
def test_worked_example(pair, bandwidth):
    """166.7 kB/s, 1.0 MB/s and 375 kB/s, whichever strategy is named first."""
    for first, second in (pair, pair[::-1]):
        found = crossover(first, second)
        assert (found.below, found.above) == (pair[0].name, pair[1].name)
        assert found.bandwidth == pytest.approx(bandwidth, rel=1e-3)
        assert found.interval == (found.bandwidth, found.bandwidth)


def test_each_strategy_of_the_worked_example_owns_one_interval():
    """Device, shared, server, by rising bandwidth; the crossover of device and server is never met."""
    found = regions([SERVER, SHARED, DEVICE])
    assert [s.name for s, _, _ in found] == ["device", "shared", "server"]
    assert [low for _, low, _ in found] == pytest.approx([0, 166.7e3, 1e6], rel=1e-3)
    assert [high for _, _, high in found] == pytest.approx([166.7e3, 1e6, math.inf], rel=1e-3)


def test_regions_are_the_fastest_at_every_bandwidth():
    """Against asking every strategy at many bandwidths, for many random sets of strategies."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        several = [DEVICE] + [
            strategy(str(n), float(rng.uniform(1, 99)), float(rng.integers(1, 9) * 1000)) for n in range(6)
        ]
        found = regions(several, rtt=0.01)
        for bandwidth in 10 ** rng.uniform(2, 8, 20):
            (owner,) = (s for s, low, high in found if low <= bandwidth < high)
            link = Link(bandwidth, 0.01)
            assert owner.latency_ms(link) == pytest.approx(min(s.latency_ms(link) for s in several))


def test_round_trip_moves_the_device_alone_only():
    """The device waits for no round trip, the others wait for the same one."""
    assert crossover(DEVICE, SHARED, rtt=0.02).bandwidth == pytest.approx(10_000 / 0.04)
    assert crossover(SHARED, SERVER, rtt=0.02).bandwidth == pytest.approx(1e6)


def test_a_strategy_that_is_worse_in_both_has_no_crossover():
    """More work and more bytes is never faster."""
    assert crossover(SHARED, strategy("bad", 50, 20_000)) is None
    assert crossover(DEVICE, SHARED, rtt=0.06) is None


def test_interval_covers_the_true_crossover_at_its_rate():
    """Of forty measured pairs about 95 % have an interval about the crossover of the populations."""
    rng, hits = np.random.default_rng(1), 0
    for _ in range(40):
        noisy = [
            strategy(name, list(rng.normal(ms, 3, 60)), list(rng.normal(size, 2000, 60)))
            for name, ms, size in (("shared", 40, 10_000), ("server", 20, 30_000))
        ]
        low, high = crossover(*noisy).interval
        assert 0.5e6 < low < high < 2e6
        hits += low <= 1e6 <= high
    assert 34 <= hits <= 40


def test_interval_is_open_where_one_may_always_be_faster():
    """Where the work hardly differs, some resampled images have no crossover at all."""
    rng = np.random.default_rng(2)
    found = crossover(
        strategy("shared", list(rng.normal(20.5, 5, 30)), 10_000),
        strategy("server", list(rng.normal(20, 5, 30)), 30_000),
    )
    assert found is None or math.isinf(found.interval[1])
