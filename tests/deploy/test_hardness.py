"""How hard an image is: learned from a few numbers of its feature, and what follows for points."""

import numpy as np
import pytest
import torch

from bottleneck.deploy.hardness import Hardness, Judged, grid_means
from bottleneck.layouts import Layout


def judged(seed, count=600):
    """Three classes on a plane, and images between them; a point of 2 bytes that fails there, one of 10.

    Means and answers, what becomes of them, and which are hard.
    """
    rng = np.random.default_rng(seed)
    answers = np.arange(count) % 3
    centres = np.array([[0, 4], [4, -4], [-4, -4]])[answers]
    hard = rng.random(count) < 0.3
    means = (centres * np.where(hard, 0.1, 1.0)[:, None] + rng.normal(0, 0.5, (count, 2))).astype(np.float32)
    sureness = np.stack([np.where(hard, 0.5, 0.99), np.full(count, 0.99)], 1)
    return (means, answers), Judged(means, sureness, np.tile([2.0, 10.0], (count, 1))), hard


@pytest.fixture(scope="module")
def hardness():
    known, _, _ = judged(0)
    _, other, _ = judged(1)
    return Hardness.fit(*known, other)


def test_bytes_go_to_what_is_hard(hardness):
    """At any mean what lies between classes gets the better point first, and no more is spent than asked."""
    _, other, hard = judged(1)
    for mean in (2.0, 3.0, 4.4, 6.0, 10.0):
        better = hardness.choose(torch.from_numpy(other.means), mean) == 1
        spent = 2 + 8 * better.mean()
        assert spent <= mean + 1e-9
        assert spent >= min(mean - 0.4, 4.0)  # where the price is all that keeps it from spending
        if 2 < mean <= 4.4:
            assert (better & hard).sum() >= 0.9 * better.sum()
        if mean >= 4.4:
            assert better[hard].mean() > 0.85


def test_two_classes_are_enough():
    """Their one logit becomes two."""
    (means, answers), other, _ = judged(0)
    two = answers < 2
    hardness = Hardness.fit(means[two], answers[two], Judged(*(array[two] for array in other)))
    assert hardness.weight.shape == (2, 2)
    assert set(hardness.choose(torch.from_numpy(means[two]), 5.0)) == {0, 1}


def test_it_comes_back_from_its_tensors(hardness):
    """The same choices, to the last image."""
    again = Hardness.of({name: tensor.clone() for name, tensor in hardness.tensors().items()}, 2)
    means = torch.from_numpy(judged(0)[1].means)
    assert (again.choose(means, 4.0) == hardness.choose(means, 4.0)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": torch.zeros(3)}, "weight"),
        ({"bias": torch.zeros(4)}, "bias"),
        ({"risk": torch.zeros(3, 2)}, "risk"),
        ({"risk": torch.full((2, 2), torch.nan)}, "risk holds what is no finite number"),
        ({"payload_bytes": torch.zeros(2, dtype=torch.int64)}, "payload_bytes is torch.int64"),
        ({"spent": torch.zeros(0, 2)}, "spent"),
        ({"more": torch.zeros(1)}, "more"),
    ],
)
def test_what_cannot_be_right_is_refused(change, message, hardness):
    """Forged tensors are named, before anything is chosen by them."""
    tensors = hardness.tensors()
    with pytest.raises(ValueError, match=message):
        Hardness.of({**tensors, **change}, 2)


@pytest.mark.parametrize("mean", [1.9, float("nan"), "8", None])
def test_a_mean_that_nothing_keeps_to_is_refused(mean, hardness):
    """With what the cheapest point takes."""
    with pytest.raises(ValueError, match=f"mean_bytes={mean} is too few: the cheapest point takes 2.0"):
        hardness.choose(torch.zeros(1, 2), mean)


def test_another_feature_is_refused(hardness):
    """By how many means it has."""
    with pytest.raises(ValueError, match="takes 2 means of a feature, and here are 3"):
        hardness.choose(torch.zeros(1, 3), 4.0)


def test_classes_of_a_few_images_are_left_out():
    """A network of a thousand classes gives some of them once; the others are enough."""
    (means, answers), other, _ = judged(0)
    answers[:4] = 7
    assert len(Hardness.fit(means, answers, other).weight) == 3


def test_too_few_classes_or_images_are_refused():
    """With what there is."""
    (means, answers), other, _ = judged(0)
    with pytest.raises(ValueError, match="gives 1 of its classes to 5 or more of 200 training images"):
        Hardness.fit(means[answers == 0], answers[answers == 0], other)
    with pytest.raises(ValueError, match="gives 0 of its classes to 5 or more of 9 training images"):
        Hardness.fit(means[:9], answers[:9], other)


@pytest.mark.parametrize(
    ("layout", "shape", "count"),
    [("CHW", (5, 7, 9), 80), ("CHW", (5, 2, 1), 10), ("HWC", (7, 9, 5), 80), ("LC", (17, 5), 5)],
)
def test_means_lie_on_a_grid(layout, shape, count):
    """Sixteen for each channel of a map, fewer of a small one, one of tokens; channels wherever they are."""
    feature = torch.zeros(2, *shape)
    feature[1] = 3.0
    means = grid_means(feature.half(), Layout(layout))
    assert means.shape == (2, count)
    assert means.dtype == torch.float32
    assert means[1].tolist() == [3.0] * count
