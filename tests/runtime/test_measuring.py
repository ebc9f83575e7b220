"""Strategies are measured by running them, on real images and through real bytes."""

import pytest
import torch

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.data import Digits
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import read_bundles
from bottleneck.deploy.places import found
from bottleneck.runtime.measuring import device_only, measure, server_only, shared
from bottleneck.tasks.classification import Classification


@pytest.fixture(scope="module")
def samples():
    return [(image, torch.tensor([label])) for image, label in Digits().subset("val").spread(60)]


@pytest.fixture(scope="module")
def strategies(digits_network, digits_bundle, samples):
    picture = Channel(codecs.create("png", shape=(1, 8, 8)), name="png")
    ways = [
        device_only(digits_network),
        server_only(digits_network, picture, {"name": "png"}),
        *shared(digits_network, [(Bundle.read(digits_bundle), 3)]),
    ]
    return {s.name: s for s in measure(ways, samples, Classification(10))}


def test_each_way_is_a_strategy_that_names_itself(strategies, digits_bundle):
    """Names, kinds and the bundle are what a device needs in order to run them."""
    assert {name: s.kind for name, s in strategies.items()} == {
        "device": "device",
        "png": "server",
        "layer2-3": "shared",
    }
    assert strategies["layer2-3"].bundle == Bundle.read(digits_bundle).id
    assert strategies["layer2-3"].point == 3
    assert strategies["png"].codec == {"name": "png"}


def test_bytes_are_those_of_every_image(strategies, samples):
    """Sizes are lengths of real payloads, image by image; a lossless picture loses nothing of the metric."""
    codec = codecs.create("png", shape=(1, 8, 8))
    sizes = [len(codec.encode(image.numpy())) for image, _ in samples]
    assert list(strategies["png"].payload_bytes.samples) == [1 + size for size in sizes]  # and the point
    assert len(set(sizes)) > 1
    assert strategies["png"].value == strategies["device"].value > 0.95
    assert strategies["layer2-3"].value < 0.9  # an untrained unit


def test_the_device_alone_sends_nothing(strategies, samples):
    """Its answer stays where it was found: no byte crosses the link, and no server works."""
    device = strategies["device"]
    assert device.server_ms.samples == device.payload_bytes.samples == (0.0,) * len(samples)


def test_times_were_taken(strategies):
    """Every part that works takes time, and the interval surrounds the metric."""
    for strategy in strategies.values():
        assert min(strategy.device_ms.samples) > 0
        low, high = strategy.value_interval
        assert low <= strategy.value <= high
    assert min(strategies["png"].server_ms.samples) > 0


def test_two_frontiers_at_one_split_point_have_different_names(digits_network, digits_bundle):
    """Equal names carry their bundles, in whatever order they come: a device has one of its own."""
    bundle = Bundle.read(digits_bundle)
    other = read_bundles(found("zoo:digits/default"))[1][0]
    for pair in ([bundle, other], [other, bundle]):
        names = [way.about["name"] for way in shared(digits_network, [(each, 0) for each in pair])]
        assert names == [f"layer2-0-{each.id}" for each in pair]


def test_nothing_cannot_be_measured_on(digits_network):
    """No images is an error that names the key."""
    with pytest.raises(ValueError, match="Set samples"):
        measure([device_only(digits_network)], [], Classification(10))
