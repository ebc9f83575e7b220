"""Gradient probes: what the tail says of small errors, computed once, and of this cut and no other."""

import copy

import numpy as np
import pytest
import torch

from bottleneck.cut import Cut
from bottleneck.data import Digits
from bottleneck.features import probes as module
from bottleneck.features.cache import FeatureCache
from bottleneck.features.probes import directions
from bottleneck.tasks import Classification
from bottleneck.tasks.detection import Detection

COUNT = 60


def cut_of(network, folder, at="layer2", holdout=0.1, data=Digits, **options):
    images = data(holdout=holdout, train_limit=COUNT, val_limit=30)
    images.setup()
    return Cut(network, images, Classification(10), at, cache=FeatureCache(folder), **options)


def centred(logits):
    return logits - logits.mean(1, keepdim=True)


def batch_of(cut, count):
    """Features and probes of the training samples in order."""
    batches = list(cut.probed(count).batches("train"))
    return torch.cat([batch[0] for batch in batches]), torch.cat([batch[2] for batch in batches])


def changes(cut, features, errors):
    with torch.no_grad():
        return centred(cut.net.tail(features + errors) - cut.net.tail(features)).square().sum(1)


@pytest.mark.parametrize("count", [1, 4, 9])
def test_probes_estimate_the_squared_change_of_the_logits(digits_network, tmp_path, count):
    """For small errors their mean square is the squared change; nine of ten classes' say it exactly."""
    cut = cut_of(digits_network, tmp_path)
    features, probes = batch_of(cut, count)
    errors = 1e-3 * torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
    estimated = (probes * errors[:, None]).flatten(2).sum(2).square().mean(1)
    true = changes(cut, features, errors)
    assert estimated.sum() / true.sum() == pytest.approx(1, abs={1: 0.5, 4: 0.2, 9: 0.02}[count])
    if count == 9:
        torch.testing.assert_close(estimated, true, rtol=0.1, atol=0.02 * true.mean())


def test_estimate_grows_wrong_with_the_error(digits_network, tmp_path):
    """First order says little of an error as large as the feature's own variation."""
    cut = cut_of(digits_network, tmp_path)
    features, probes = batch_of(cut, 9)
    errors = features.mean((0, 2, 3), keepdim=True) - features
    estimated = (probes * errors[:, None]).flatten(2).sum(2).square().mean(1)
    ratio = estimated / changes(cut, features, errors)
    assert (ratio.log().abs() > 0.3).float().mean() > 0.5


@pytest.mark.parametrize(("shape", "free"), [((10,), 9), ((3, 4, 5), 40)])
def test_directions_are_centred_orthogonal_and_repeatable(shape, free):
    """Of images and of pixels: all of them together measure any centred logits exactly, in every run."""
    found = directions(5, shape, free).flatten(1)
    torch.testing.assert_close(found @ found.T, free * torch.eye(free), atol=1e-3, rtol=0)
    torch.testing.assert_close(directions(5, shape, 2).sum(1), torch.zeros(2, *shape[1:]), atol=1e-5, rtol=0)
    assert torch.equal(directions(5, shape, 2), directions(5, shape, 2))
    assert not torch.equal(directions(5, shape, 2), directions(6, shape, 2))


def test_directions_are_right_on_average():
    """Over samples, two of nine directions measure a change neither too large nor too small."""
    change = torch.linspace(-1, 1, 10) ** 3
    change -= change.mean()
    measured = [(directions(index, (10,), 2) @ change).square().mean() for index in range(2000)]
    assert np.mean(measured) == pytest.approx(float(change.square().sum()), rel=0.05)


def test_probes_are_computed_once(digits_network, tmp_path, monkeypatch):
    """With a filled cache no gradient is taken; batches have features, targets and probes, validation too."""
    first = batch_of(cut_of(digits_network, tmp_path), 2)

    def computed_again(*_):
        raise AssertionError("the probes were computed again")

    monkeypatch.setattr(module, "_probes", computed_again)
    cut = cut_of(digits_network, tmp_path)
    for found, expected in zip(batch_of(cut, 2), first, strict=True):
        assert torch.equal(found, expected)
    assert len(next(iter(cut.probed(2).batches("select")))) == 3
    assert len(next(iter(cut.probed(2).batches("val")))) == 2
    assert len(next(iter(cut.features.batches("train")))) == 2


def test_other_cuts_tails_and_counts_have_other_probes(digits_network, tmp_path):
    """Probes of another cut, another tail or of more directions are never handed out."""
    network = copy.deepcopy(digits_network)

    def files():
        return len(list(tmp_path.glob("features/*/probes.bin")))

    cut = cut_of(network, tmp_path)
    cut.probed(2)
    known = files()
    cut.probed(3)
    assert files() == 2 * known
    cut.at("layer1").probed(2)
    assert files() == 3 * known
    with torch.no_grad():
        next(iter(cut.net.tail.parameters())).add_(1e-3)
    cut.probed(2)
    assert files() == 4 * known
    cut_of(network, tmp_path, holdout=0.2).probed(2)  # as many images that train, and others
    assert files() == 4 * known + 1


def test_probes_are_of_what_the_tail_takes(digits_network, tmp_path):
    """Where a unit replaces a module, its features enter before it and probes belong behind it."""
    cut = cut_of(digits_network, tmp_path, kind="slim")
    given, _, probes = next(iter(cut.probed(2).batches("train")))
    assert probes.shape[2:] == cut.net.at_cut(given).shape[1:]
    assert probes.shape[2:] != given.shape[1:]


class SeenTwice(Digits):
    """Digits of which training sees two views, which are alike."""

    def transforms(self, name):
        return [self.transform(name)] * (1 + (name == "train"))


def test_probes_follow_views(digits_network, tmp_path):
    """Each view of an image has probes of its own."""
    cut = cut_of(digits_network, tmp_path, data=SeenTwice)
    features, probes = batch_of(cut, 1)
    assert len(probes) == 2 * COUNT
    assert torch.equal(features[0], features[COUNT])
    assert not torch.equal(probes[0], probes[COUNT])


def fails(cut, message, count=4):
    with pytest.raises(ValueError, match=message):
        cut.probed(count)
    assert "features" not in cut.__dict__, "features were computed for nothing"


def test_network_without_logits_is_refused(digits_network, tmp_path):
    """What is no logits is refused before anything is computed, with what there is instead."""
    cut = cut_of(digits_network, tmp_path)
    cut.task = Detection(3)
    fails(cut, r"objective=probes.* a network for detection returns none\. Use matching, or features")


def test_more_probes_than_directions_are_refused(digits_network, tmp_path):
    """Ten classes leave nine directions; the message says so before anything is computed."""
    fails(cut_of(digits_network, tmp_path), r"probes=10: 10 classes leave 9 .* Use probes=9", count=10)


def test_probes_need_a_cache(digits_network, tmp_path):
    """Without a cache of features there is nothing that probes could stand beside."""
    cut = cut_of(digits_network, tmp_path)
    cut.cache = None
    with pytest.raises(ValueError, match=r"needs features that are cached\. Use cache\.enabled=true"):
        cut.probed(4)


def test_too_little_disk_for_probes_is_an_error(digits_network, tmp_path):
    """Probes that have no room are no reason to train for something else in silence."""
    cut = cut_of(digits_network, tmp_path)
    used = sum(file.stat().st_size for file in tmp_path.glob("*/*/*.bin")) if cut.features else 0
    cut.cache.max_gb = (used + 1000) / 1e9
    with (
        pytest.warns(UserWarning, match=r"Gradient probes of train at layer2 need .* would be exceeded"),
        pytest.raises(ValueError, match=r"does not hold\. Use fewer probes= than 4"),
    ):
        cut.probed(4)
