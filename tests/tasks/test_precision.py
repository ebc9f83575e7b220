"""Average precision of resampled images, against the library that makes the metric."""

import numpy as np
import pytest
import torch

from bottleneck.tasks import Detection
from bottleneck.tasks.precision import judged, mean_precision, precision_drop_interval, precision_interval

LABELS, MOST = 4, 30


def scene(seed, noise=6.0):
    """Objects of three labels, some of them crowds, and what a poor detector makes of them."""
    draw = torch.Generator().manual_seed(seed)
    corners = 80 * torch.rand(6, 2, generator=draw)
    boxes = torch.cat([corners, corners + 10 + 40 * torch.rand(6, 2, generator=draw)], 1)
    labels = torch.randint(1, LABELS, (6,), generator=draw)
    crowd = (torch.rand(6, generator=draw) < 0.2).long()
    moved = boxes.repeat(2, 1) + noise * torch.randn(12, 4, generator=draw)
    moved[:, 2:] = moved[:, 2:].maximum(moved[:, :2] + 1)
    guesses = torch.where(torch.rand(12, generator=draw) < 0.8, labels.repeat(2), torch.tensor(1))
    found = {"boxes": moved, "labels": guesses, "scores": torch.rand(12, generator=draw)}
    return found, {"boxes": boxes, "labels": labels, "iscrowd": crowd}


def scores(scenes):
    return torch.stack([judged(found, wanted, MOST, LABELS) for found, wanted in scenes]).numpy()


@pytest.mark.parametrize("seed", range(4))
def test_each_image_once_is_the_librarys_value(seed):
    """With crowds, doubled boxes and wrong labels: COCO's mean average precision to three decimals."""
    scenes = [scene(100 * seed + number, noise=2 + seed) for number in range(12)]
    metrics = Detection(LABELS).metrics()
    for found, wanted in scenes:
        metrics.update([found], [wanted])
    expected = float(metrics.compute()["map"])
    assert 0.05 < expected < 0.95
    value = mean_precision(scores(scenes), LABELS, np.ones((1, 12)))
    assert value == pytest.approx([expected], abs=1e-3)


def test_images_that_count_twice_are_images_that_are_there_twice():
    """Weights are repetitions: equal precision, up to the order of equally sure boxes."""
    scenes = [scene(number) for number in range(6)]
    times = np.array([[2.0, 0, 1, 3, 0, 1], [1.0, 1, 1, 1, 1, 1]])
    repeated = [scenes[number] for number in (0, 0, 2, 3, 3, 3, 5)]
    both = mean_precision(scores(scenes), LABELS, times)
    assert both[0] == pytest.approx(mean_precision(scores(repeated), LABELS, np.ones((1, 7)))[0], abs=0.01)
    assert both[1] == mean_precision(scores(scenes), LABELS, np.ones((1, 6)))[0]


def test_intervals_hold_the_value_and_use_the_pairing():
    """A detector compared with itself differs by nothing; with a worse one, by less than both are unsure."""
    good = scores([scene(number, noise=2) for number in range(40)])
    worse = scores([scene(number, noise=4) for number in range(40)])
    value = mean_precision(good, LABELS, np.ones((1, 40)))[0]
    low, high = precision_interval(good, LABELS, value)
    assert low < value < high
    assert precision_drop_interval(good, good, LABELS) == (0, 0)
    drop = precision_drop_interval(good, worse, LABELS)
    assert 0 < drop[0] < drop[1] < 1
    assert drop[1] - drop[0] < 1.5 * (high - low)


def test_nothing_there_and_nothing_found_are_zero():
    """No objects in any image, or none that is found: 0, and an interval."""
    none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long(), "scores": torch.zeros(0)}
    _, wanted = scene(0)
    for found, there in ((none, none), (none, wanted), (scene(0)[0], none)):
        one = scores([(found, there)])
        assert mean_precision(one, LABELS, np.ones((1, 1))) == [0]
        assert precision_interval(one, LABELS, 0.0) == (0, 0)
