"""Policies choose among strategies by metric, latency and bytes."""

import pytest

from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Spread, Strategy


def strategy(name, ms, size, value):
    return Strategy(name, None, Spread([ms]), Spread([size]), Spread([0]), value)


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
