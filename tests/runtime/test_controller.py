"""The controller changes strategy when it pays, and only then."""

import dataclasses
import math
import random

import pytest

from bottleneck.runtime.controller import Controller
from bottleneck.runtime.link import Link
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Spread, Strategy


def strategy(name, split, device_ms, size, server_ms=0.0, value=0.9, codec=None):
    spreads = (Spread([number]) for number in (device_ms, size, server_ms))
    return Strategy(name, split, *spreads, value, codec=codec)


DEVICE = strategy("device", None, 100, 1)
SHARED = strategy("shared", "layer2", 40, 10_000)
SERVER = strategy("server", "input", 20, 30_000, codec={"name": "jpeg", "quality": 50})
ALL = [DEVICE, SHARED, SERVER]
SLOW, MIDDLE, FAST = Link(50e3), Link(500e3), Link(5e6)


def controller(**options):
    return Controller(ALL, Policy("accuracy"), **options)


def run(chooser, links, period=0.1, start=0.0):
    """Names chosen frame by frame."""
    return [chooser.choose(link, start + period * number).name for number, link in enumerate(links)]


def test_begins_with_the_best_on_the_first_link():
    """There is nothing to be loyal to at first."""
    assert [controller().choose(link, 0).name for link in (SLOW, MIDDLE, FAST)] == [
        "device",
        "shared",
        "server",
    ]


def test_follows_a_step_after_dwell_and_patience():
    """A better strategy is taken once it has won three times in a row and the dwell is over; not before."""
    assert run(controller(dwell=0), [MIDDLE] * 2 + [FAST] * 4) == ["shared"] * 4 + ["server"] * 2
    names = run(controller(dwell=1.0), [MIDDLE] + [FAST] * 12)
    assert names == ["shared"] * 10 + ["server"] * 3


def test_noise_of_ten_per_cent_switches_nothing():
    """At the very crossover of two strategies ±10 % of noise changes nothing, where no margin would flap."""
    random.seed(0)
    links = [Link(1e6 * random.uniform(0.9, 1.1)) for _ in range(2000)]
    steady, nervous = controller(dwell=0, patience=1), controller(dwell=0, patience=1, margin=0)
    for each in (steady, nervous):
        run(each, links)
    assert steady.switches == 0
    assert nervous.switches > 100


def test_patience_is_with_victories_in_a_row():
    """A link that is fast every other time is not followed."""
    chooser = controller(dwell=0, patience=2)
    assert set(run(chooser, [MIDDLE, FAST] * 20)) == {"shared"}


@pytest.mark.parametrize(
    ("policy", "sent"),
    [
        (Policy("accuracy"), "server"),
        (Policy("latency"), "server"),
        (Policy("bytes", latency=0.09), "shared"),  # in which the device alone, with no bytes, is too slow
    ],
    ids=lambda given: getattr(given, "name", given),
)
def test_a_dead_link_is_left_at_once_and_taken_up_again(policy, sent):
    """Neither patience, dwell nor metric holds a strategy on a dead link; the former hold on the way back."""
    worse = dataclasses.replace(DEVICE, value=0.85)
    chooser = Controller([worse, SHARED, SERVER], policy, dwell=1.0, patience=3)
    dead = Link(0.0)
    assert run(chooser, [FAST, dead, dead]) == [sent, "device", "device"]
    assert run(chooser, [FAST] * 15, start=0.3) == ["device"] * 8 + [sent] * 7


@pytest.mark.parametrize(
    ("name", "sent"), [("accuracy", "server"), ("latency", "server"), ("bytes", "shared")]
)
def test_without_a_device_only_strategy_a_dead_link_changes_nothing(name, sent):
    """Where nothing would give an answer, the strategy stays."""
    chooser = Controller([SHARED, SERVER], Policy(name))
    assert run(chooser, [FAST] + [Link(0.0)] * 3) == [sent] * 4


def test_the_cost_of_switching_counts():
    """A change that costs more than its dwell gains is not made."""
    assert run(controller(dwell=1, patience=1, switch_ms=0), [MIDDLE] + [FAST] * 15)[-1] == "server"
    assert run(controller(dwell=1, patience=1, switch_ms=2000), [MIDDLE] + [FAST] * 15)[-1] == "shared"


def test_latency_policy_has_a_band_about_its_budget():
    """The best metric is left when it is late, and taken again only when it is in time by the margin."""
    best = strategy("best", "layer2", 40, 10_000, value=0.95)
    chooser = Controller([DEVICE, best], Policy("latency", latency=0.12), dwell=0, patience=1, margin=0.15)
    late, barely, well = Link(120e3), Link(130e3), Link(400e3)  # 123, 117 and 65 ms
    assert run(chooser, [well, barely, late, barely, well]) == ["best", "best", "device", "device", "best"]


@pytest.mark.parametrize("option", ["margin", "patience", "dwell", "switch_ms"])
def test_impossible_options_are_refused(option):
    """A negative option is refused by name."""
    with pytest.raises(ValueError, match=f"{option}=-1"):
        controller(**{option: -1})


def test_policy_that_nothing_satisfies_is_refused_at_once():
    """A metric that no strategy reaches is an error before the first frame."""
    with pytest.raises(ValueError, match=r"no strategy reaches the metric 0\.99"):
        Controller(ALL, Policy("accuracy", metric=0.99))
    assert math.isinf(SHARED.latency_ms(Link(0)))


def test_a_streak_is_of_one_strategy():
    """Wins of others do not count for the one that wins last."""
    slow = Strategy("slow", "a", Spread([60.0]), Spread([100]), Spread([0.0]), 0.9, bundle="a")
    heavy = Strategy("heavy", "b", Spread([1.0]), Spread([20_000]), Spread([0.0]), 0.9, bundle="b")
    light = Strategy("light", "c", Spread([20.0]), Spread([5000]), Spread([0.0]), 0.9, bundle="c")
    controller = Controller([slow, heavy, light], Policy(), patience=3, dwell=0.0)
    chosen = [
        controller.choose(Link(bandwidth, 0.0), float(now)).name
        for now, bandwidth in enumerate([1e3, 1e9, 1e9, 2.5e5, 2.5e5, 2.5e5])
    ]
    assert chosen == ["slow", "slow", "slow", "slow", "slow", "light"]
