"""A plan as tables and a picture."""

import math

import pytest

from bottleneck.runtime.link import Link
from bottleneck.runtime.plan import Plan
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Spread, Strategy
from bottleneck.show.plan import crossover_table, draw_plan, plan_table


def plan(*strategies):
    made = [
        Strategy(name, split, Spread([ms, ms + 1]), Spread([size]), Spread([0]), value, codec=codec)
        for name, split, ms, size, value, codec in strategies
    ]
    return Plan(made, Link(500e3, 0.02), Policy("accuracy", metric=0.85), "accuracy_top1", "three ways")


DEVICE = ("device", None, 100, 0, 0.95, None)
SHARED = ("layer2-0", "layer2", 40, 10_000, 0.9, None)
SERVER = ("jpeg-9", "input", 15, 30_000, 0.5, {"name": "jpeg"})


def test_table_has_the_fastest_first_and_marks_choice_and_refused():
    """The choice is bold, and what misses the metric says so."""
    lines = plan_table(plan(DEVICE, SHARED, SERVER)).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == ["**layer2-0**", "jpeg-9", "device"]
    assert ["(too low)" in line for line in lines] == [False, True, False]


def test_crossovers_have_units_and_intervals():
    """Where one takes over is said in kB/s or MB/s; that nothing ever does is said too."""
    assert "| device         | layer2-0       | 250 kB/s | 250 kB/s to 250 kB/s |" in crossover_table(
        plan(DEVICE, SHARED)
    )
    assert crossover_table(plan(DEVICE)) == "device is the fastest at every bandwidth."


@pytest.mark.parametrize("strategies", [(DEVICE, SHARED, SERVER), (SHARED,), (DEVICE,)])
def test_plan_is_drawn(tmp_path, strategies):
    """With crossovers or without, with all kinds of strategies or one."""
    draw_plan(plan(*strategies), tmp_path / "plan.png")
    assert (tmp_path / "plan.png").stat().st_size > 20_000
    assert math.isfinite(plan(*strategies).latency_ms(plan(*strategies).choice))
