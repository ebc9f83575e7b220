"""Open cuts: the whole network computes what it did, and only the named tensor goes through the channel."""

import pytest
import torch
from torch import nn

from bottleneck import models
from bottleneck.splitting import split, split_open, trace
from bottleneck.splitting.model import split_traced


class TwoBranches(nn.Module):
    """Both branches read the stem; the output is their weighted sum at the image's size."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 5, 3, 2, padding=1), nn.ReLU())
        self.left, self.right = nn.Conv2d(5, 4, 1), nn.Conv2d(5, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        stem = self.stem(x)
        joint = self.last(self.left(stem) + 2 * self.right(stem).relu())
        return nn.functional.interpolate(joint, size=x.shape[-2:])


IMAGE = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return split_open(trace(TwoBranches(), IMAGE), "left")


def test_halves_compute_what_the_network_does(net):
    """Head and tail composed equal the network, for any batch size."""
    torch.manual_seed(0)
    network = TwoBranches().eval()
    images = torch.randn(5, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(net(images), network(images))


def test_channel_carries_the_named_tensor_only(net):
    """What is sent is the branch; what the tail reads beside it is the stem, as it was."""
    torch.manual_seed(0)
    network = TwoBranches().eval()
    with torch.no_grad():
        feature = net.head(IMAGE)
        stem = network.stem(IMAGE)
        torch.testing.assert_close(net.adapter.before(feature), network.left(stem))
        changed = net.tail(net.adapter.after(torch.zeros(2, 4, 4, 4), feature))
        expected = network.last(2 * network.right(stem).relu())
    torch.testing.assert_close(changed, nn.functional.interpolate(expected, size=(8, 8)))


def test_open_cuts_say_what_lies_beside(net):
    """An open cut names what the tail reads beside the payload; a closed cut has nothing beside it."""
    assert (net.point.name, net.point.shape, net.point.beside) == ("left", (4, 4, 4), ("stem",))
    assert not net.point.complete
    assert (net.entry.shape, [part.shape for part in net.entry.parts]) == ((144,), [(4, 4, 4), (5, 4, 4)])
    closed = split(TwoBranches(), "stem", IMAGE)
    assert closed.point.complete
    feature = closed.head(IMAGE)
    assert closed.adapter.before(feature) is feature
    assert closed.adapter.after(2 * feature, feature).equal(2 * feature)


def test_closed_cut_may_be_cut_openly():
    """Where one tensor crosses anyway, an open cut is that closed cut."""
    torch.manual_seed(0)
    network = TwoBranches()
    net = split_open(trace(network, IMAGE), "stem")
    assert net.point == split(network, "stem", IMAGE).point


def test_papers_first_segmentation_split(cache_dir):
    """One ASPP branch is no closed cut, can be cut openly, and its projection is closed."""
    network = models.create("deeplabv3_resnet50", num_classes=21, output="out", aux_loss=True)
    image = torch.zeros(1, 3, 33, 33, dtype=torch.uint8)
    traced = trace(network, image)
    together = split_traced(traced, "classifier.0.convs.1").point
    assert [part.name for part in together.parts] == ["backbone.layer4", "classifier.0.convs.1"]
    assert split_open(traced, "classifier.0.convs.1").point.beside == ("backbone.layer4",)
    closed = split(network, "classifier.0.project", image)
    assert closed.point.shape[0] == 256
    assert not any("aux" in name for name in dict(closed.tail.graph.named_modules()))


def test_maps_of_different_sizes_pass_beside():
    """What is sent may be smaller than what the tail reads beside it."""
    torch.manual_seed(0)
    network = Strided().eval()
    net = split_open(trace(network, IMAGE), "right")
    assert (net.point.shape, net.point.beside) == ((4, 2, 2), ("stem",))
    with torch.no_grad():
        torch.testing.assert_close(net(IMAGE), network(IMAGE))


class Strided(nn.Module):
    """One branch is smaller than the other."""

    def __init__(self):
        super().__init__()
        self.stem, self.right = nn.Conv2d(3, 5, 3, 2, padding=1), nn.Conv2d(5, 4, 3, 2, padding=1)

    def forward(self, x):
        stem = self.stem(x)
        return stem.mean((1, 2, 3)) + self.right(stem).mean((1, 2, 3))
