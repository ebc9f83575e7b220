"""Features from the cache and features made on the fly are the same features."""

import copy

import pytest
import torch

from bottleneck.data import Digits
from bottleneck.features.cache import FeatureCache
from bottleneck.features.sources import CachedFeatures, LiveFeatures, features_of
from bottleneck.splitting import split


@pytest.fixture
def net(digits_network):
    network = copy.deepcopy(digits_network)  # tests change it
    return split(network, "layer2", torch.zeros(1, 1, 8, 8, dtype=torch.uint8)).freeze()


def test_cached_and_live_features_agree(net, tmp_path):
    """Sample by sample the cache holds the head's output, and the right label."""
    images = Digits(train_limit=150, val_limit=100)
    cached, live = features_of(images, net, FeatureCache(tmp_path)), features_of(images, net, None)
    assert isinstance(cached, CachedFeatures)
    assert isinstance(live, LiveFeatures)
    for subset in ("train", "select", "val"):
        pairs = list(zip(cached.batches(subset), live.batches(subset), strict=True))
        assert pairs
        for (feature, target), (expected, label) in pairs:
            torch.testing.assert_close(feature, expected)
            assert torch.equal(target, label)


def test_second_run_does_not_compute_the_head_again(net, tmp_path):
    """With a filled cache the head is called on no sample, only on the image by which the cache knows it."""
    images = Digits(train_limit=150, val_limit=100)
    features_of(images, net, FeatureCache(tmp_path))

    def computed_again(_, images, __):
        assert len(images[0]) == 1, "the head was computed again"

    net.head.register_forward_hook(computed_again)
    features = features_of(Digits(train_limit=150, val_limit=100), net, FeatureCache(tmp_path))
    assert len(list(features.batches("val"))) == 2


def test_other_images_and_other_weights_have_other_features(net, tmp_path):
    """A changed subset, weight or split point is never answered with stale features."""
    images = Digits(train_limit=150, val_limit=100)
    features_of(images, net, FeatureCache(tmp_path))
    folders = len(list(tmp_path.glob("features/*")))
    features_of(Digits(train_limit=140, val_limit=100), net, FeatureCache(tmp_path))
    assert len(list(tmp_path.glob("features/*"))) == folders + 1  # train alone
    with torch.no_grad():
        next(net.head.parameters()).add_(1e-3)
    features_of(images, net, FeatureCache(tmp_path))
    assert len(list(tmp_path.glob("features/*"))) == folders + 4


def test_head_that_computes_something_else_has_other_features(net, tmp_path):
    """A setting that neither text nor weights show is never answered with stale features."""
    images = Digits(train_limit=150, val_limit=100)
    features_of(images, net, FeatureCache(tmp_path))
    folders = len(list(tmp_path.glob("features/*")))
    for module in net.head.modules():
        if isinstance(module, torch.nn.ReLU):
            module.forward = torch.nn.functional.gelu
    features_of(images, net, FeatureCache(tmp_path))
    assert len(list(tmp_path.glob("features/*"))) == 2 * folders


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
def test_features_of_a_half_network_are_single(digits_network, tmp_path, dtype):
    """Units, codecs and caches around a network in half precision work in float32, on the same values."""
    network = copy.deepcopy(digits_network).to(dtype)
    net = split(network, "layer2", torch.zeros(1, 1, 8, 8, dtype=torch.uint8)).freeze()
    images = Digits(train_limit=150, val_limit=100)
    for features in (features_of(images, net, FeatureCache(tmp_path)), features_of(images, net, None)):
        given, _ = next(iter(features.batches("val")))
        assert given.dtype == torch.float32
        assert torch.equal(given, given.to(dtype).float())


def test_augmented_images_are_not_cached(net, tmp_path):
    """Random images have no features to keep; the warning says that the head runs in every epoch."""

    class Augmented(Digits):
        augmented = True

    with pytest.warns(UserWarning, match=r"data\.augment=true.*head runs in every epoch"):
        features = features_of(Augmented(train_limit=50), net, FeatureCache(tmp_path))
    assert isinstance(features, LiveFeatures)
    assert not list(tmp_path.glob("features/*"))
