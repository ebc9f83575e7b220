"""Adapters: whatever stands between head and tail, the network computes what it did."""

import pytest
import torch
from torch import nn

from bottleneck.splitting import Direct, split, split_open, trace


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 1), nn.ReLU(), nn.Conv2d(5, 2, 1)
    ).eval()


IMAGE = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "make",
    [
        lambda model: split(model, "1", IMAGE),
        lambda model: split(model, "1", IMAGE, replace=True),
        lambda model: split_open(trace(model, IMAGE), "1"),
    ],
)
def test_feature_that_is_sent_whole_changes_nothing(make):
    """Before and after the channel, every adapter gives the split point's feature and the tail's input."""
    model = network()
    net = make(model)
    with torch.no_grad():
        given = net.head(IMAGE)
        feature = net.adapter.before(given)
        torch.testing.assert_close(feature, model[:2](IMAGE))
        torch.testing.assert_close(net.tail(net.adapter.after(feature, given)), model(IMAGE))
        torch.testing.assert_close(net.rest(given), model(IMAGE))


def test_replaced_module_is_run_by_the_adapter_alone():
    """The head ends before the module, so that a unit can do its work."""
    net = split(network(), "1", IMAGE, replace=True)
    assert (net.entry.name, net.point.name) == ("0", "1")
    assert net.head(IMAGE).shape[1] == 4
    assert net.adapter.before(net.head(IMAGE)).shape[1] == 5


def test_direct_passes_on_what_it_is_given():
    """At a closed cut nothing stands in between."""
    given = torch.randn(2, 3)
    assert Direct().before(given) is given
    assert Direct().after(given, torch.zeros(2, 3)) is given
