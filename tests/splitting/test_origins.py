"""Tensors that are made of sizes alone: they are made again behind the cut, and nothing of them is sent."""

import pytest
import torch
from torch import nn

from bottleneck.splitting import split, split_points

IMAGE = (3, 8, 8)


def filled(tensor, rows):
    tensor[:, :rows] = 3
    tensor[:, rows:] = 4
    return tensor


#: Masks by how they are made: each reads shape, type or device of a feature, and none of its numbers.
MASKS = {
    "ones_like": lambda x: 2 * torch.ones_like(x),
    "zeros_like": lambda x: torch.zeros_like(x) + 3,
    "full_like": lambda x: torch.full_like(x, 3.0),
    "empty_like": lambda x: torch.empty_like(x).fill_(2),
    "new_zeros": lambda x: x.new_zeros(x.shape) + 1,
    "new_ones": lambda x: 3 * x.new_ones(1, 4, 1, 1),
    "new_full": lambda x: x.new_full((x.shape[0], 1, 8, 8), 2.0),
    "new_tensor": lambda x: x.new_tensor([1.0, 2.0, 3.0, 4.0]).view(-1, 1, 1),
    "arange": lambda x: torch.arange(x.shape[1], device=x.device).view(-1, 1, 1),
    "type_as": lambda x: torch.arange(8).type_as(x),
    "expand_as": lambda x: torch.arange(8.0).expand_as(x),
    "part": lambda x: torch.ones_like(x[:, 0]).cumsum(1)[:, None],
    "in_place": lambda x: torch.zeros_like(x).add_(2),
    "parts_in_place": lambda x: filled(x.new_zeros(x.shape), 2),
}


class Masked(nn.Module):
    """Three convolutions, and behind the second a mask shaped after what the first gives.

    With `checks` torch.fx cannot follow it, so that it is seen by torch.export.
    """

    def __init__(self, mask, checks=False):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c = (nn.Conv2d(i, o, 3, padding=1) for i, o in ((3, 4), (4, 4), (4, 2)))
        self.mask, self.checks = mask, checks

    def forward(self, x):
        if self.checks and len(x) < 1:
            raise ValueError("no images")
        x = self.a(x)
        mask = self.mask(x)
        return self.c(self.b(x) * mask)


def assert_closed(model, at, names):
    """The cuts are those, and the halves at one of them are the network."""
    points = split_points(model.eval(), torch.zeros(1, *IMAGE))
    assert [point.name for point in points] == names
    net = split(model, at, torch.zeros(1, *IMAGE))
    for batch in (1, 3):
        images = torch.randn(batch, *IMAGE)
        with torch.no_grad():
            torch.testing.assert_close(net.tail(net.head(images)), model(images))
    return net


@pytest.mark.sampled(8)
@pytest.mark.parametrize("checks", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_what_is_shaped_after_a_feature_does_not_send_it(mask, checks):
    """Such a mask closes no cut, however it is made and whichever way the network is seen."""
    net = assert_closed(Masked(MASKS[mask], checks), "b", ["input", "a", "b"])
    assert checks <= (net.point.seen == "torch.export")


@pytest.mark.parametrize("checks", [False, True])
def test_what_an_image_is_written_into_is_of_the_image(checks):
    """Zeros into which an operation in place writes a feature are sent: the tail cannot make them again."""

    class Overwritten(Masked):
        def forward(self, x):
            if self.checks and len(x) < 1:
                raise ValueError("no images")
            x = self.a(x)
            zeros = x.new_zeros(x.shape)
            written = zeros.view(x.shape).add_(x)
            return self.c(self.b(written) + zeros)

    assert_closed(Overwritten(None, checks), "a", ["input", "a"])


class Late(Masked):
    """The mask is shaped after what is cut, or after what a replaced module is given."""

    def forward(self, x):
        x = self.a(x)
        y = self.b(x)
        return self.c(y * torch.ones_like(x).cumsum(2) + torch.ones_like(y).cumsum(3))


def test_sizes_of_the_feature_are_read_off_it():
    """A tail that needs sizes of nothing but the feature takes those of images of any size."""
    model = Late(None).eval()
    net = split(model, "a", torch.zeros(1, *IMAGE))
    assert not net.tail.sizes
    images = torch.randn(2, 3, 12, 16)
    with torch.no_grad():
        torch.testing.assert_close(net.tail(net.head(images)), model(images))


def test_sizes_of_what_a_replaced_module_is_given_may_pass_it():
    """A module can be replaced although sizes of its argument are read behind it."""
    model = Late(None).eval()
    net = split(model, "b", torch.zeros(1, *IMAGE), replace=True)
    assert net.entry.name == "a"
    images = torch.randn(3, *IMAGE)
    with torch.no_grad():
        torch.testing.assert_close(net(images), model(images))


def test_halves_may_be_moved():
    """What a tail makes of sizes is made where the feature is, not where the network was split."""
    net = split(Masked(MASKS["arange"]), "b", torch.zeros(1, *IMAGE)).to("meta")
    assert net.tail(torch.zeros(2, 4, 8, 8, device="meta")).shape == (2, 2, 8, 8)
