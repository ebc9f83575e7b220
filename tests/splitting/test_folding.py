"""A folded tail: the same function, fewer operations."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bottleneck.splitting import split


class Padded(nn.Module):
    """A convolution as EfficientNet writes it: zeros around the map, then a function with its weight."""

    def __init__(self, padding):
        super().__init__()
        self.padding = nn.ZeroPad2d(padding)
        self.weight = nn.Parameter(torch.randn(6, 6, 3, 3) / 7)

    def forward(self, x):
        return F.conv2d(self.padding(x), self.weight, None, 1, 0, 1, 1)


class Branching(nn.Module):
    """A convolution that is read beside its BatchNorm."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)

    def forward(self, x):
        x = self.convolution(x)
        return x + self.norm(x)


def network():
    torch.manual_seed(0)
    found = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.Sequential(
            nn.Conv2d(6, 6, 3, 2, 1, groups=2, bias=False), nn.BatchNorm2d(6, affine=False), nn.ReLU6()
        ),
        nn.Sequential(Padded((1, 1, 1, 1)), nn.BatchNorm2d(6)),
        nn.Sequential(Padded((0, 1, 0, 1)), nn.BatchNorm2d(6)),
        nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(6)),
        Branching(),
        nn.Flatten(1),
    )
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return found.eval()


def kinds(tail):
    called = [n for n in tail.graph.graph.nodes if n.op == "call_module"]
    return [type(tail.graph.get_submodule(n.target)) for n in called]


@pytest.fixture(scope="module")
def net():
    return split(network(), "0", torch.randn(2, 3, 12, 12)).freeze()


def test_folded_tail_is_the_tail(net):
    """Output, layers and the gradient of the feature stay what they are, with all but two norms folded."""
    feature = torch.randn(3, 6, 10, 10)
    found = []
    for each in (net, net.folded(["1", "5"])):
        given = feature.clone().requires_grad_()
        output, layers = each.tail.watch(given, ["1", "5"])
        output.square().sum().backward()
        found.append((output, *layers.values(), given.grad))
    for given, wanted in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-4)
    assert kinds(net.tail).count(nn.BatchNorm2d) == 5
    assert kinds(net.folded().tail).count(nn.BatchNorm2d) == 2, "behind the reflected and the branching one"


def test_padding_is_folded_where_it_is_even(net):
    """Zeros that a convolution can add itself are left to it, uneven ones are not."""
    assert kinds(net.tail).count(nn.ZeroPad2d) == 2
    assert kinds(net.folded().tail).count(nn.ZeroPad2d) == 1


def test_watched_convolutions_stay(net):
    """A convolution whose output is asked for keeps its BatchNorm apart, and gives what it gave."""
    feature = torch.randn(3, 6, 10, 10)
    _, wanted = net.tail.watch(feature, ["1.0"])
    _, given = net.folded(["1.0"]).tail.watch(feature, ["1.0"])
    torch.testing.assert_close(given["1.0"], wanted["1.0"])
    with pytest.raises(ValueError, match=r"layers=\['1.0'\] are not behind this cut"):
        net.folded().tail.watch(feature, ["1.0"])


def test_folding_leaves_the_network_alone(net):
    """The network and its tail are bit-identical afterwards."""
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.folded()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert kinds(net.tail).count(nn.BatchNorm2d) == 5
