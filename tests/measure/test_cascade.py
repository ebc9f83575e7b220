"""Cascades: what they send and know follows from their two channels, sample by sample."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.measure.cascade import cascade
from bottleneck.measure.harness import Tally, judge_frozen, measure
from bottleneck.splitting import split
from bottleneck.tasks import Classification, Detection, Segmentation

IMAGE = torch.zeros(1, 3, 8, 8)


@pytest.fixture(scope="module")
def measured():
    """A coarse and a fine channel on the same sixty samples, three quarters of which the network knows."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 4, 7)
    )
    net = split(model, "1", IMAGE).freeze()
    torch.manual_seed(1)
    features = torch.relu(torch.randn(60, 4, 4, 4))
    labels = net.tail(features).argmax(1)
    labels[:15] = (labels[:15] + 1) % 7
    batches = list(zip(features.split(16), labels.split(16), strict=True))
    channels = [
        Channel(codecs.create("rle", shape=(4, 4, 4), bits=bits), name=f"rle-{bits}", family="rle")
        for bits in (1, 8)
    ]
    for channel in channels:
        channel.fit(batches)
    task = Classification(7)
    about = {"dataset": "random", "model": "tiny", "split": "1"}
    return measure(net, batches, channels, task, IMAGE, judge_frozen(net, batches, task), about)


@pytest.mark.parametrize("sure", [0.15, 0.25, 0.4])
def test_each_sample_counts_as_it_was_answered(measured, sure):
    """Bytes, metric and share are those of a loop over samples; intervals and drop belong to the metric."""
    first, second = measured
    found = cascade(first, second, sure)
    right, sizes, again = [], [], []
    for index, sureness in enumerate(first.tally.sureness()):
        asked = sureness < sure
        again.append(asked)
        right.append((second if asked else first).tally.scores()[index])
        sizes.append(first.payload_bytes[index] + (second.payload_bytes[index] if asked else 0))
    assert found.value == pytest.approx(np.mean(right))
    assert found.payload_bytes == pytest.approx(np.mean(sizes))
    assert found.payload_bytes_p95 == pytest.approx(np.percentile(sizes, 95))
    assert found.bpp == pytest.approx(8 * np.mean(sizes) / 64)
    assert found.asked_again == pytest.approx(np.mean(again))
    assert found.drop == pytest.approx(found.baseline - found.value)
    assert found.drop_interval[0] <= found.drop <= found.drop_interval[1]
    assert found.value_interval[0] <= found.value <= found.value_interval[1]
    assert (found.method, found.family) == (f"rle-1-then-rle-8-{sure:g}", "rle-1-then-rle-8")


def test_between_nobody_and_everybody(measured):
    """Below every probability it is the first channel; above all the second, with the bytes of both."""
    first, second = measured
    nobody, everybody = (cascade(first, second, sure) for sure in (1e-9, 1.0))
    assert (nobody.value, nobody.payload_bytes) == (first.row.value, first.row.payload_bytes)
    assert nobody.asked_again == 0
    assert everybody.value == second.row.value
    assert everybody.payload_bytes == pytest.approx(first.row.payload_bytes + second.row.payload_bytes)
    shares = [cascade(first, second, sure).asked_again for sure in (0.2, 0.3, 0.4, 0.5)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_the_device_works_as_for_the_first(measured):
    """Its cost is the first channel's; what was coded in other tables is not the first's to claim."""
    first, second = measured
    found = cascade(first, second, 0.3)
    assert (found.encode_ms, found.device_macs) == (first.row.encode_ms, first.row.device_macs)
    assert found.estimated_bpp is None
    assert found.zero_fraction is None


@pytest.mark.parametrize("sure", [0.0, -0.1, 1.1, float("nan")])
def test_sure_is_a_probability(measured, sure):
    """Anything else is refused by its key."""
    with pytest.raises(ValueError, match=r"cascade\.sure="):
        cascade(*measured, sure)


@pytest.mark.parametrize("task", [Detection(3), Segmentation(3)])
def test_answers_without_one_probability_have_no_cascade(measured, task):
    """Detection and segmentation are refused, with the reason."""
    first, second = measured
    tally = Tally(task)
    tally._scores, tally._sureness = [torch.ones(60, 3, 3)], [task.sureness(torch.ones(60, 3, 8, 8))]
    with pytest.raises(ValueError, match=rf"task={task.name} have no probability"):
        cascade(dataclasses.replace(first, tally=tally), second, 0.5)
