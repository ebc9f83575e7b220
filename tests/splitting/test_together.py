"""Cuts that several tensors cross: sent together, as one vector or map, they are all that the tail needs."""

from typing import NamedTuple

import pytest
import torch
import torchvision
from torch import nn

from bottleneck.layouts import Part
from bottleneck.splitting import split, split_points, trace
from bottleneck.splitting.model import split_traced


class Pyramid(nn.Module):
    """Three stages, all of which the last layers read, as in a detector or a U-Net."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (
            nn.Sequential(nn.Conv2d(in_, out, 3, 2, 1), nn.ReLU(inplace=True))
            for in_, out in ((3, 4), (4, 6), (6, 8))
        )
        self.up = nn.Conv2d(18, 5, 1)

    def forward(self, x):
        first = self.first(x)
        second = self.second(first)
        third = self.third(second)
        grown = [nn.functional.interpolate(t, size=first.shape[-2:]) for t in (second, third)]
        return self.up(torch.cat([first, *grown], 1)).relu_()


class Branches(nn.Module):
    """Two outputs of the same depth, neither of which comes from the other."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 2, 3, 2, 1), nn.Conv2d(3, 4, 3, 4, 1)

    def forward(self, x):
        return self.left(x).relu().mean((2, 3)).sum(1) + self.right(x).relu().mean((2, 3)).sum(1)


IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
NAMES = ["first", "second", "third"]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Pyramid().eval()


@pytest.mark.parametrize("at", ["third", NAMES, "first+second+third", ["third", "first", "second"]])
def test_halves_compute_what_the_network_does(network, at):
    """Named by the last module or by all of them, head and tail compose, for any batch size."""
    net = split(network, at, IMAGES)
    images = torch.randn(5, 3, 16, 16)
    with torch.no_grad():
        vector = net.head(images)
        sent = vector.clone()
        assert vector.shape == (5, *net.point.shape) == (5, 4 * 64 + 6 * 16 + 8 * 4)
        torch.testing.assert_close(net.tail(vector), network(images))
        assert torch.equal(vector, sent), "the tail overwrote its input"


def test_point_says_what_is_sent_together(network):
    """Name, size and share of the work are those of all tensors, and each is listed with its shape."""
    point = split(network, "third", IMAGES).point
    assert (point.name, point.layout, point.nbytes) == ("third", "C", 4 * 384)
    assert point.parts == (
        Part("first", (4, 8, 8), "CHW"),
        Part("second", (6, 4, 4), "CHW"),
        Part("third", (8, 2, 2), "CHW"),
    )
    assert str(point).startswith("third (4×8×8 + 6×4×4 + 8×2×2, 1,536 bytes")
    assert split(network, NAMES, IMAGES).point.name == "first+second+third"
    assert point.complete


def test_tensors_come_apart_with_their_values(network):
    """The vector holds each tensor, in the order in which the network makes them."""
    net = split(network, "third", IMAGES)
    with torch.no_grad():
        (first, layout), (second, _), (third, _) = net.point.apart(net.head(IMAGES))
        torch.testing.assert_close(first, network.first(IMAGES))
        torch.testing.assert_close(second, network.second(network.first(IMAGES)))
    assert (layout, third.shape) == ("CHW", (2, 8, 2, 2))


def test_tensors_of_one_depth_are_named_together():
    """Branches that do not follow from each other can be cut behind all at once."""
    torch.manual_seed(0)
    network = Branches().eval()
    net = split(network, ["left", "right"], IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(net(IMAGES), network(IMAGES))


def test_list_offers_them_where_they_are_asked_for(network):
    """Cuts where up to so many tensors cross are listed in running order, behind the closed ones' rules."""
    assert [point.name for point in split_points(network, IMAGES)] == ["input", "first.0", "first", "up"]
    both = split_points(network, IMAGES, tensors=2)
    assert [point.name for point in both] == ["input", "first.0", "first", "second.0", "second", "up"]
    every = [point.name for point in split_points(network, IMAGES, tensors=6)]
    assert every == ["input", "first.0", "first", "second.0", "second", "third.0", "third", "up"]
    with pytest.raises(ValueError, match="tensors=7 must be from 1, for closed cuts alone, to 6"):
        split_points(network, IMAGES, tensors=7)


def test_wrong_names_are_refused(network):
    """Too few names and a mistyped one are each told with what to name instead."""
    crossing = r"cross it: \['first', 'second', 'third'\], and these are what to name"
    with pytest.raises(ValueError, match=crossing):
        split(network, ["first", "third"], IMAGES)
    with pytest.raises(ValueError, match=r"split='thirt' is no split point.*'third'"):
        split(network, ["first", "thirt"], IMAGES)


class Casting(nn.Module):
    """What the last layer reads beside the feature is half as precise."""

    def __init__(self):
        super().__init__()
        self.narrow, self.wide = nn.Identity(), nn.Conv2d(3, 2, 1)

    def forward(self, x):
        narrow = self.narrow(x.to(torch.bfloat16))
        return self.wide(x).sum(1) + narrow.sum(1)


def test_tensors_of_two_types_are_refused():
    """One vector has one type; the types are named."""
    with pytest.raises(ValueError, match=r"of types .*bfloat16.*one vector has one type"):
        split(Casting(), ["narrow", "wide"], IMAGES)


class FirstTwo(nn.Module):
    """A view of the first two channels."""

    def forward(self, x):
        return x[:, :2]


class Sharing(nn.Module):
    """A view of a tensor is written into after both have crossed."""

    def __init__(self):
        super().__init__()
        self.stem, self.part = nn.Conv2d(3, 4, 1), FirstTwo()
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        x = self.stem(x)
        part = self.part(x).mul_(3.0)
        return self.last(x) + part


def test_tensors_that_share_memory_are_refused():
    """Where an operation in place ties tensors together, they do not silently come apart."""
    with pytest.raises(ValueError, match="operations in place tie them"):
        split(Sharing(), "part", IMAGES)


def test_a_module_cannot_be_replaced_where_several_tensors_cross(network):
    """A unit takes the place of a module only where that module's output alone is sent."""
    with pytest.raises(ValueError, match="cannot be replaced"):
        split(network, "third", IMAGES, replace=True)


class Size(NamedTuple):
    """Of an image."""

    height: int
    width: int


class Measure(nn.Module):
    """Images to their size."""

    def forward(self, x):
        return Size(*x.shape[-2:])


class Shift(nn.Module):
    """By an image's size."""

    def forward(self, x, size):
        return x + size.height - 2 * size.width


class AnySize(Pyramid):
    """A pyramid that an image's size passes by, as in a detector."""

    opaque = ("measure", "shift")

    def __init__(self, grows_to="first"):
        super().__init__()
        self.measure, self.shift, self.grows_to = Measure(), Shift(), grows_to

    def forward(self, x):
        size = self.measure(x)
        first = self.first(x)
        second = self.second(first)
        third = self.third(second)
        like = first.shape[-2:] if self.grows_to == "first" else (x.shape[2] // 2, x.shape[3] // 2)
        grown = [nn.functional.interpolate(t, size=like) for t in (second, third)]
        return self.shift(self.up(torch.cat([first, *grown], 1)), size)


def test_maps_of_images_of_any_size_cross_as_one():
    """Where an image's size crosses beside them, maps are folded into one, and other sizes are exact too."""
    torch.manual_seed(0)
    network = AnySize().eval()
    net = split(network, NAMES, IMAGES)
    assert (net.point.shape, net.point.layout) == ((4 * 16 + 6 * 4 + 8, 2, 2), "CHW")
    assert (net.point.parts, net.point.aliases) == ((), ())
    assert net.point.nbytes == split(Pyramid().eval(), NAMES, IMAGES).point.nbytes
    for size in ((16, 16), (24, 40), (32, 8)):
        images = torch.randn(3, 3, *size)
        with torch.no_grad():
            feature = net.head(images)
            sent = feature.clone()
            torch.testing.assert_close(net.tail(feature, net.sizes(images)), network(images))
            assert torch.equal(feature, sent), "the tail overwrote its input"
    with pytest.raises(ValueError, match=r"maps of \[\(9, 8\), \(5, 4\), \(3, 2\)\].*do not fit into one"):
        net.head(torch.randn(1, 3, 18, 16))


@pytest.mark.parametrize(
    ("side", "grows_to", "message"),
    [
        (20, "first", r"of shapes \[\(4, 10, 10\), \(6, 5, 5\), \(8, 3, 3\)\], and where images"),
        (8, "first", "larger than 1×1"),
        (16, "image", "which are sizes of this image only"),
    ],
)
def test_maps_that_hold_for_this_image_only_are_refused(side, grows_to, message):
    """Rounded maps, what may be a mean of all places, and a tail that reads the example's size are told."""
    with pytest.raises(ValueError, match=message):
        split(AnySize(grows_to).eval(), NAMES, torch.zeros(1, 3, side, side))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["resnet18", "swin_t", "googlenet"])
def test_every_set_of_a_known_network_composes(name):
    """Inside residual and branching blocks of torchvision's networks, head and tail compose."""
    torch.manual_seed(0)
    options = {"init_weights": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, **options).eval()
    images = torch.randn(2, 3, 64, 64)
    traced = trace(model, images)
    points = [point for point in split_points(model, images, tensors=6) if point.parts]
    assert len(points) > 5
    with torch.no_grad():
        expected = model(images[:1])
        for point in points[:: len(points) // 5]:
            torch.testing.assert_close(
                split_traced(traced, point.name)(images[:1]), expected, rtol=1e-4, atol=1e-5
            )
