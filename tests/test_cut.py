"""A cut: one object for network, data and task at a split point."""

import copy

import pytest
import torch
from torch import nn

from bottleneck import models
from bottleneck.cut import Cut
from bottleneck.data import Digits, ImageFolder
from bottleneck.features import FeatureCache
from bottleneck.loss import OperatingPoint
from bottleneck.tasks import Classification
from bottleneck.unit import SlimUnit


@pytest.fixture(scope="module")
def images():
    images = Digits(train_limit=200, val_limit=80)
    images.setup()
    return images


@pytest.fixture(scope="module")
def cut(digits_network, images):
    return Cut(digits_network, images, Classification(10), "layer2")


def rle(cut, bits=8):
    channel = cut.channel(cut.codec("rle", bits=bits), name=f"rle-{bits}", family="rle", setting=str(bits))
    cut.fit([channel])
    return channel


def test_frozen_row_is_the_networks_own(cut, digits_network, images):
    """What the frozen network scores is what the network scores on the images."""
    samples = images.subset("val")
    with torch.no_grad():
        hits = [int(digits_network(image[None]).argmax()) == label for image, label in samples]
    frozen = cut.frozen("val")
    assert (frozen.kind, frozen.n, frozen.split) == ("frozen", 80, "layer2")
    assert frozen.value == pytest.approx(sum(hits) / 80)
    assert frozen.drop == 0


def test_images_are_prepared_as_each_network_wants_them(photographs):
    """What its library does to images is done here too, and not to those of another network."""
    images, cuts = ImageFolder(photographs), []
    for side in (16, 24):
        network = models.wrap(
            nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), side=side
        )
        network.preprocessing = {"size": [side, side], "interpolation": "bicubic"}
        cuts.append(Cut(network, images, Classification(2), "0"))
    for cut, side in zip(cuts, (16, 24), strict=True):
        assert cut.image.shape == cut.images.subset("train")[0][0][None].shape == (1, 3, side, side)
        assert cut.images.preprocessing == cut.model.preprocessing
    assert images.preprocessing == {"short_side": 256, "crop": 224}


def test_a_wrapped_network_is_cut_as_the_one_inside(digits_network, images, wrapping):
    """Network and data meet where a network is parallel, averaged or compiled as where it is not."""
    cut = Cut(wrapping(copy.deepcopy(digits_network).requires_grad_()), images, Classification(10), "layer2")
    assert type(cut.model) is type(digits_network)
    assert cut.net.point.name == "layer2"


def test_measure_returns_the_channels_and_nothing_else(cut):
    """One row per channel in their order; no channels, no rows."""
    assert cut.measure([]) == []
    rows = cut.measure([rle(cut, 8), rle(cut, 1)], "val", seed=5)
    assert [row.method for row in rows] == ["rle-8", "rle-1"]
    assert {row.seed for row in rows} == {5}
    assert {row.baseline for row in rows} == {cut.frozen("val").value}


def test_frozen_network_judges_each_subset_once(digits_network, images):
    """Other cuts of the same network and data know what the frozen network did; no tail runs again."""
    cut = Cut(digits_network, images, Classification(10), "layer2")
    first = cut.frozen("val")
    samples = []
    handle = digits_network.network.fc.register_forward_hook(
        lambda _, given, __: samples.append(len(given[0]))
    )
    try:
        other = cut.at("layer1")
        again = other.frozen("val")
    finally:
        handle.remove()
    assert (again.value, again.split) == (first.value, "layer1")
    assert sum(samples) < 80  # the trace of the new cut, and the clock's samples, but not those of val


def test_kind_that_replaces_a_module_moves_the_head(cut, images):
    """Slim units stand before `layer1`, other channels at the same cut still send what is behind it."""
    slim = cut.at("layer1", "slim")
    point = OperatingPoint({"latent_channels": 2, "step": 0.1}, 1.0, kind="slim")
    unit = slim.new_unit(point)
    assert isinstance(unit, SlimUnit)
    assert (slim.net.entry.name, slim.net.point.name) == ("stem", "layer1")
    plain, beside = cut.at("layer1"), rle(slim)
    assert beside.codec.shape == (32, 8, 8)
    (here,), (there,) = slim.measure([beside]), plain.measure([rle(plain)])
    assert (here.value, here.payload_bytes) == (there.value, there.payload_bytes)


def test_pixels_take_no_unit(cut):
    """At the image itself there is no float feature to train on."""
    with pytest.raises(ValueError, match="split=normalize"):
        cut.at("input").new_unit(OperatingPoint({"latent_channels": 2, "stride": 1, "step": 1.0}, 1.0))


def test_untrained_channels_have_no_bundle(cut):
    """A bundle needs a trained unit."""
    with pytest.raises(ValueError, match="makes no bundle"):
        cut.bundle(rle(cut), {})


def test_networks_and_data_that_do_not_belong_together_are_refused(images):
    """Channels and classes have to agree, and the message says which do not."""
    with pytest.raises(ValueError, match="takes 3 channels"):
        Cut(models.create("resnet18"), images, Classification(10), "layer1")
    layers = [torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(144, 3)]
    three_classes = models.wrap(torch.nn.Sequential(*layers), mean=[0.5], std=[0.5])
    with pytest.raises(ValueError, match=r"\(1, 3\) for an image, the data set has 10 classes"):
        Cut(three_classes, images, Classification(10), "0")


def test_cached_and_live_features_are_the_same(digits_network, images, tmp_path, cut):
    """With a cache the head runs once; what is measured does not change."""
    cached = Cut(
        digits_network, images, Classification(10), "layer2", cache=FeatureCache(tmp_path, "float32")
    )
    for subset in ("train", "select", "val"):
        pairs = zip(cached.features.batches(subset), cut.features.batches(subset), strict=True)
        assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in pairs)
