"""What is drawn, and what never is."""

import optuna
import pytest

from bottleneck.loss import OperatingPoint
from bottleneck.search.space import Space

PAPER = {"latent_channels": [32, 64], "stride": [2, 4, 6], "step": [1.0, 16.0], "log10_alpha": [-4, -1]}


def draws(space, n=60):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [space.draw(study.ask()) for _ in range(n)]


def test_draws_stay_in_the_declared_choices_and_ranges():
    """C_r and S come from their lists, Q from its range, alpha is 10^L; every choice is drawn."""
    points = draws(Space(**PAPER))
    assert {p["latent_channels"] for p in points} == {32, 64}
    assert {p["stride"] for p in points} == {2, 4, 6}
    assert all(1 <= p["step"] <= 16 and 1e-4 <= p["alpha"] <= 1e-1 for p in points)
    assert min(p["alpha"] for p in points) < 1e-3 < 1e-2 < max(p["alpha"] for p in points)


def test_single_values_pin_a_parameter():
    """A number in place of a list, or of a range, is the only value drawn."""
    points = draws(Space(latent_channels=8, stride=[2], step=2.0, log10_alpha=[-1, -1]), 5)
    assert {(p["latent_channels"], p["stride"], p["step"], p["alpha"]) for p in points} == {(8, 2, 2.0, 0.1)}


@pytest.mark.parametrize(("size", "expected"), [((7, 7), (2, 4, 6)), ((7, 4), (2,)), ((5, 60), (2, 4))])
def test_strides_as_large_as_the_map_are_not_drawn(size, expected):
    """A stride stays below the map's height and width."""
    assert Space(**PAPER).fitting(size).stride == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": []}, r"space\.stride=\(\)"),
        ({"latent_channels": [0]}, r"space\.latent_channels=\(0,\)"),
        ({"step": [2.0, 1.0]}, r"space\.step=\(2\.0, 1\.0\)"),
        ({"step": [0.0, 1.0]}, r"space\.step=\(0\.0, 1\.0\).*positive"),
        ({"log10_alpha": [1, 2, 3]}, r"space\.log10_alpha=\(1, 2, 3\)"),
    ],
)
def test_impossible_spaces_name_their_key(change, message):
    """Empty choices and turned ranges are refused by their configuration key."""
    with pytest.raises(ValueError, match=message):
        Space(**{**PAPER, **change})


def test_map_too_small_for_every_stride_is_refused():
    """If no stride is left, the message has the map's size."""
    with pytest.raises(ValueError, match=r"none is smaller than the feature map \(2, 2\)"):
        Space(**PAPER).fitting((2, 2))


def test_payloads_are_drawn_in_place_of_alpha():
    """With a range of payloads each trial aims at one, evenly spread over the orders of magnitude."""
    points = draws(Space(**PAPER, target_bytes=[10, 1000]))
    assert not any("alpha" in point for point in points)
    sizes = [point["target_bytes"] for point in points]
    assert 10 <= min(sizes) < 30
    assert 300 < max(sizes) <= 1000
    assert 15 < sum(size < 100 for size in sizes) < 45
    with pytest.raises(ValueError, match=r"space\.target_bytes=\(-1\.0, 5\.0\): a payload must be positive"):
        Space(**PAPER, target_bytes=[-1, 5])


def test_drops_are_drawn_in_place_of_alpha():
    """With a range of drops each trial aims at one; drops and payloads exclude each other."""
    points = draws(Space(**PAPER, target_drop=[0.005, 0.05]))
    assert all(0.005 <= point["target_drop"] <= 0.05 for point in points)
    assert not any("alpha" in point or "target_bytes" in point for point in points)
    with pytest.raises(ValueError, match=r"space\.target_drop=.* exclude each other"):
        Space(**PAPER, target_drop=[0.005, 0.05], target_bytes=[2, 60])


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"target_bytes": [2, 60]}, r"target_bytes= needs a rate in bits"),
        ({"target_drop": [0.01, 2]}, r"target_drop=2.0 must be above 0 and below 1"),
    ],
)
def test_targets_that_no_trial_could_have_are_refused(targets, message):
    """They are found before anything is computed, not by twenty trials that fail."""
    point = OperatingPoint({"latent_channels": 8, "stride": 2, "step": 0.5}, 3.0)
    with pytest.raises(ValueError, match=message):
        Space(**PAPER, **targets).check(point)
    Space(**PAPER).check(point)
