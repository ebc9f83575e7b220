"""A plan says what to do on a link, and keeps what was measured."""

import json

import pytest

from bottleneck.runtime.energy import Energy
from bottleneck.runtime.link import Link
from bottleneck.runtime.plan import Plan, read_strategies
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Spread, Strategy


def strategy(name, split, ms, size, value=0.9, codec=None):
    return Strategy(name, split, Spread([ms]), Spread([size]), Spread([0]), value, codec=codec)


STRATEGIES = [
    strategy("device", None, 100, 200),
    strategy("layer2-0", "layer2", 40, 10_000),
    strategy("jpeg-50", "input", 20, 30_000, codec={"name": "jpeg", "quality": 50}),
    strategy("jpeg-1", "input", 10, 1_000, value=0.2, codec={"name": "jpeg", "quality": 1}),
]


def plan(bandwidth, rtt=0.0, **options):
    return Plan(STRATEGIES, Link(bandwidth, rtt), Policy("accuracy", metric=0.85), "accuracy_top1", **options)


@pytest.mark.parametrize(
    ("bandwidth", "advice"),
    [
        (
            100e3,
            "Finish on the device: 100 ms for accuracy_top1 0.900; the best picture would take 320 ms, "
            "the best split would take 140 ms.",
        ),
        (
            500e3,
            "Split at layer2, layer2-0: 60 ms for accuracy_top1 0.900; the device alone would take 100 ms, "
            "the best picture would take 80 ms.",
        ),
        (
            2e6,
            "Send a picture, jpeg-50: 35 ms for accuracy_top1 0.900; the device alone would take 100 ms, "
            "the best split would take 45 ms.",
        ),
    ],
)
def test_a_sentence_says_what_to_do(bandwidth, advice):
    """Each of the three has a link on which it is the advice, with what the others would take."""
    assert plan(bandwidth).advice == advice


def test_a_budget_that_nothing_keeps_is_said():
    """The fastest is still named, and that it is too slow."""
    late = Plan(STRATEGIES, Link(2e6), Policy("latency", latency=0.03, metric=0.85), "accuracy_top1")
    assert late.advice.endswith("Nothing keeps budget.latency=0.03; this comes nearest.")
    in_time = Plan(STRATEGIES, Link(2e6), Policy("latency", latency=0.04, metric=0.85), "accuracy_top1")
    assert "budget.latency" not in in_time.advice


def test_regions_and_crossovers_leave_out_what_is_too_inaccurate():
    """The fastest of all, a picture that nobody can recognise, is no choice."""
    found = plan(1e6)
    assert [s.name for s, _, _ in found.regions] == ["device", "layer2-0", "jpeg-50"]
    assert [one.bandwidth for one in found.crossovers] == pytest.approx([166.7e3, 1e6], rel=1e-3)


def test_plan_is_written_and_its_strategies_read_again(tmp_path):
    """plan.json is strict JSON with the choice, the sentence, what they were made from, and every sample."""
    written = plan(500e3, 0.01, energy=Energy(2.0, 0.5), provenance={"machine": "a desk"})
    written.write(tmp_path / "plan.json")
    content = json.loads((tmp_path / "plan.json").read_text(), parse_constant=pytest.fail)
    assert content["choice"] == "layer2-0"
    assert content["advice"] == written.advice
    assert content["link"] == {"bandwidth": 500e3, "rtt": 0.01}
    assert content["regions"][-1][2] is None
    assert content["summary"][0]["energy_mj"] == 200
    assert content["energy"] == {"computing": 2.0, "waiting": 0.5, "byte": 0.0, "tail": 0.0}
    assert content["provenance"] == {"machine": "a desk"}
    assert read_strategies(tmp_path / "plan.json") == STRATEGIES


def test_a_changed_plan_is_refused(tmp_path):
    """A digit of a measured time that changed is noticed; a plan of before the checksum is read as ever."""
    path = tmp_path / "plan.json"
    plan(500e3).write(path)
    text = path.read_text()
    path.write_text(text.replace("10000", "10001"))
    with pytest.raises(ValueError, match=r"was changed after it was written \(checksum\).*Run `bottleneck"):
        read_strategies(path)
    content = json.loads(text)
    del content["checksum"]
    path.write_text(json.dumps(content, indent=1))
    assert read_strategies(path) == STRATEGIES


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "split-bottleneck plan", "version": 9}'])
def test_a_file_that_is_no_plan_is_refused(tmp_path, text):
    """Truncated, foreign and newer files are refused, with what to do."""
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(
        ValueError, match=r"plan\.json cannot be read by this release .* Run `bottleneck plan`"
    ):
        read_strategies(tmp_path / "plan.json")


@pytest.mark.parametrize("link", [Link(0), Link(-1), Link(1, -1), Link(float("nan"))])
def test_a_plan_needs_a_link(link):
    """Impossible links are named with their keys."""
    with pytest.raises(ValueError, match=r"link\.bandwidth=.* is no link"):
        plan(*link)
