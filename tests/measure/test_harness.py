"""The harness: real bytes, the same samples for all, honest accounting."""

import numpy as np
import pytest
import torch
from torch import nn

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.measure import harness
from bottleneck.measure.curves import curves
from bottleneck.measure.harness import judge_frozen, row, time_halves
from bottleneck.splitting import split
from bottleneck.tasks import Classification
from bottleneck.unit import BottleneckUnit

IMAGE = torch.zeros(1, 3, 8, 8)
ABOUT = {"dataset": "random", "model": "tiny", "seed": 0}


@pytest.fixture
def net():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 4, 7)
    )
    return split(model, "1", IMAGE).freeze()


@pytest.fixture
def batches(net):
    torch.manual_seed(1)
    features = torch.relu(torch.randn(60, 4, 4, 4))
    labels = net.tail(features).argmax(1)
    labels[:15] = (labels[:15] + 1) % 7  # the frozen network is right on 45 of 60
    return list(zip(features.split(16), labels.split(16), strict=True))


def measure(net, batches, *channels):
    """The frozen network's row, then one for each channel."""
    task = Classification(7)
    for channel in channels:
        channel.fit(batches)
    frozen = judge_frozen(net, batches, task)
    times = vars(time_halves(net, batches, task, IMAGE))
    about = {**ABOUT, "split": net.point.name, **times}
    sent = harness.measure(net, batches, channels, task, IMAGE, frozen, about)
    return [row(frozen, frozen, method="frozen", kind="frozen", **about), *(one.row for one in sent)]


def rle(bits):
    codec = codecs.create("rle", shape=(4, 4, 4), bits=bits)
    return Channel(codec, name=f"rle-{bits}", family="rle", setting=str(bits))


def test_channels_without_a_name_are_told_apart(net, batches):
    """They are called after their codec, and make one curve of each; a unit's is never an untrained one's."""
    unit = BottleneckUnit(4, 3, 2, 0.05, (4, 4)).eval()
    one = [Channel(codecs.create("rle", shape=(4, 4, 4), bits=bits)) for bits in (2, 8)]
    raw = Channel(codecs.create("raw", shape=(4, 4, 4), input="feature"))
    affine = Channel(codecs.create("affine", shape=(4, 4, 4)))
    trained = Channel(codecs.create("affine", shape=unit.latent_shape), unit)
    rows = measure(net, batches, *one, raw, affine, trained)[1:]
    assert [row.method for row in rows] == [
        "rle-bits=2",
        "rle-bits=8",
        "raw-input=feature",
        "affine",
        "bottleneck-affine",
    ]
    assert [[row.method for row in curve] for curve in curves(rows).values()] == [
        ["rle-bits=2", "rle-bits=8"],
        ["raw-input=feature"],
        ["affine"],
        ["bottleneck-affine"],
    ]


def test_frozen_network_is_the_first_row_and_everyones_baseline(net, batches):
    """The first row is the unsplit network; its value is every row's baseline."""
    rows = measure(net, batches, rle(2), rle(8))
    assert [row.method for row in rows] == ["frozen", "rle-2", "rle-8"]
    assert rows[0].value == pytest.approx(0.75)
    assert {row.baseline for row in rows} == {rows[0].value}
    assert {row.n for row in rows} == {60}
    assert rows[0].payload_bytes is None
    assert [(row.kind, row.family, row.setting) for row in rows] == [
        ("frozen", None, None),
        ("untrained", "rle", "2"),
        ("untrained", "rle", "8"),
    ]


def test_sizes_are_those_of_the_bytes(net, batches):
    """Mean, 95th percentile, bpp and bits per element follow from the payloads' lengths."""
    method = rle(3)
    row = measure(net, batches, method)[1]
    lengths = [len(method.codec.encode(x.numpy())) for feature, _ in batches for x in feature]
    assert row.payload_bytes == pytest.approx(np.mean(lengths))
    assert row.payload_bytes_p95 == pytest.approx(np.percentile(lengths, 95))
    assert row.bpp == pytest.approx(8 * np.mean(lengths) / 64)
    assert row.bits_per_element == pytest.approx(8 * np.mean(lengths) / 64)
    assert 0.3 < row.zero_fraction < 0.9


def test_sizes_do_not_depend_on_batching(net, batches):
    """A sample costs the same bytes alone and in any batch."""
    features, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    one = measure(net, list(zip(features.split(1), labels.split(1), strict=True)), rle(4))[1]
    assert one.payload_bytes == measure(net, batches, rle(4))[1].payload_bytes


def test_metric_comes_from_the_decoded_bytes(net, batches):
    """A codec that destroys the feature is seen to destroy the accuracy."""
    vandal = codecs.create("quantised", (4, 4, 4), levels=2, per="layer", sigmas=1e-6)  # all to the mean
    row = measure(net, batches, Channel(vandal, name="vandal"))[1]
    mean = torch.cat([feature for feature, _ in batches]).mean().item()
    constant = net.tail(torch.full((1, 4, 4, 4), mean)).argmax(1)
    assert row.value == pytest.approx(
        np.mean([(y == constant).float().mean() for _, ys in batches for y in ys])
    )
    assert row.payload_bytes == 8


def test_lossless_bytes_cost_no_accuracy(net, batches):
    """The float32 feature through real bytes has the frozen network's accuracy, as far as 60 samples tell."""
    row = measure(net, batches, Channel(codecs.create("raw", shape=(4, 4, 4)), name="feature-float32"))[1]
    assert (row.value, row.drop) == (row.baseline, 0)
    assert -0.06 < row.drop_interval[0] < 0 < row.drop_interval[1] < 0.06
    assert row.payload_bytes == 256


def test_device_computes_what_its_coder_expects_too(net, batches):
    """A codec that has a network adds to the device's work."""
    unit = BottleneckUnit(4, 3, 2, 0.1, (4, 4)).eval()
    coders = [codecs.create(name, shape=unit.latent_shape) for name in ("range", "context")]
    channels = [Channel(codec, unit, name=codec.name) for codec in coders]
    plain, context = (measure(net, batches, channel)[1].device_macs for channel in channels)
    assert context - plain == coders[1].macs > 0


@pytest.mark.parametrize("name", ["huffman", "range"])
def test_trained_methods_are_measured_through_their_unit(net, batches, name):
    """A unit's row has symbols' bytes above the ideal estimate, and the cost of its two halves."""
    torch.manual_seed(2)
    unit = BottleneckUnit(4, 3, 2, 0.1, (4, 4)).eval()
    channel = Channel(codecs.create(name, shape=unit.latent_shape), unit, name="bottleneck")
    row = measure(net, batches, channel)[1]
    assert (row.kind, row.family, row.setting) == ("trained", "bottleneck", None)
    decoded = net.tail(unit.reconstruct(unit.symbols(torch.cat([x for x, _ in batches])))).argmax(1)
    assert row.value == pytest.approx((decoded == torch.cat([y for _, y in batches])).float().mean().item())
    assert 0 < row.estimated_bpp <= row.bpp <= row.estimated_bpp * 1.5 + 1 / 8
    assert row.unit_params == sum(p.numel() for p in unit.parameters())
    # depthwise 9·4·(2·2) and 1×1 4·3·(2·2) per encoder; the decoder mirrors them at its own sizes
    assert row.device_macs - net.point.macs == 9 * 4 * 4 + 4 * 3 * 4
    assert row.unit_macs > row.device_macs - net.point.macs
    assert row.encoder_params < row.unit_params


def test_times_are_measured(net, batches):
    """Every row says how long head and tail take, and each method how long coding takes."""
    frozen, sent = measure(net, batches, rle(4))
    assert min(frozen.head_ms, frozen.tail_ms, sent.encode_ms, sent.decode_ms) > 0
    assert frozen.encode_ms is None


def test_no_samples_is_an_error(net):
    """An empty subset is reported, not divided by."""
    with pytest.raises(ValueError, match=r"no samples to measure.*data\.root"):
        judge_frozen(net, [], Classification(7))


def test_bits_of_an_element_count_the_elements_of_every_sample():
    """Features of larger images have more of them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 7, 3, stride=2, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = split(model, "0", IMAGE).freeze()
    batches = [
        (torch.randn(1, 7, 4, 4), torch.tensor([1])),
        (torch.randn(1, 7, 8, 8), torch.tensor([2])),
        (torch.randn(1, 7, 8, 8), torch.tensor([3])),
    ]
    _, found = measure(net, batches, Channel(codecs.create("raw", shape=(7, 4, 4)), name="raw"))
    assert found.bits_per_element == pytest.approx(32, rel=0.02)  # and a few bytes of a header
