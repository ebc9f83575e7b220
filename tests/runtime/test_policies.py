"""Policies choose among strategies by metric, latency and bytes."""

import math

import pytest

from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Spread, Strategy


def strategy(name, ms, size, value, split="layer2"):
    return Strategy(name, split, Spread([ms]), Spread([size]), Spread([0]), value)


STRATEGIES = [
    strategy("slow", 100, 10, 0.99),
    strategy("small", 60, 5, 0.95),
    strategy("fast", 20, 900, 0.90),
]


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        (Policy("latency", latency=0.2), "slow"),
        (Policy("latency", latency=0.07), "small"),
        (Policy("latency", latency=0.001), "fast"),
        (Policy("accuracy"), "fast"),
        (Policy("accuracy", metric=0.92), "small"),
        (Policy("accuracy", metric=0.96), "slow"),
        (Policy("bytes"), "small"),
        (Policy("bytes", metric=0.96), "slow"),
        (Policy("bytes", latency=0.03), "fast"),
    ],
)
def test_policy_takes_what_it_promises(policy, chosen):
    """Best metric in time, least latency at a metric, fewest bytes within both; else the fastest."""
    assert policy.best(STRATEGIES, lambda s: s.compute_ms).name == chosen


@pytest.mark.parametrize("name", ["latency", "accuracy", "bytes"])
def test_no_policy_takes_what_never_answers(name):
    """Without a budget the slowest answer is in time, and one that a dead link keeps for ever is not."""
    dead = {"slow": math.inf, "small": math.inf, "fast": 1e9}
    assert Policy(name).best(STRATEGIES, lambda s: dead[s.name]).name == "fast"


def test_the_device_alone_sends_no_bytes():
    """Fewest bytes are none: of those in time no split beats the device, whatever its answer would take."""
    device = strategy("device", 100, 250, 0.99, split=None)
    assert Policy("bytes").best([*STRATEGIES, device], lambda s: s.compute_ms) is device
    assert Policy("bytes", latency=0.07).best([*STRATEGIES, device], lambda s: s.compute_ms).name == "small"


def test_a_metric_that_none_reaches_is_refused():
    """The message says what would be reached."""
    with pytest.raises(ValueError, match=r"no strategy reaches the metric 0\.995, .* the best has 0\.99"):
        Policy(metric=0.995).admitted(STRATEGIES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "speed"}, "policy='speed' is unknown"),
        ({"latency": 0}, r"budget\.latency=0 leaves no time"),
        ({"latency": "abc"}, r"budget\.latency=abc leaves no time"),
        ({"metric": 90}, r"metric=90 is none"),
    ],
)
def test_impossible_limits_are_refused(options, message):
    """A slip in a limit is named with its key."""
    with pytest.raises(ValueError, match=message):
        Policy(**options)
