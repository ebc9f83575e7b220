"""A unit that fits somebody's module, found by looking at one batch."""

import importlib

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from tests.plugin.helpers import QUIET, in_order, make_plugin

pytestmark = QUIET


def test_example_decides_the_size(plain, trainer_of):
    """With `example` nothing is run ahead of training, and the unit has the size of its features."""
    plugin = make_plugin(example=torch.zeros(2, 1, 12, 20))
    samples = [(torch.rand(1, 12, 20), 0)] * 8
    trainer_of(plain.package, plugin).fit(plain.module, DataLoader(samples, batch_size=4))
    assert plugin.unit.size == (6, 10)


def test_first_batch_is_not_lost(plain, trainer_of):
    """Looking at the first batch costs none: training sees as many as there are, from the first on."""
    seen = []
    theirs = plain.module.training_step
    plain.module.training_step = lambda batch, batch_idx: seen.append(batch[1]) or theirs(batch, batch_idx)
    trainer_of(plain.package, make_plugin()).fit(plain.module, in_order(plain.loader))
    expected = [labels for _, labels in in_order(plain.loader)]
    ahead, *steps = seen
    assert torch.equal(ahead, expected[0])
    assert all(torch.equal(a, b) for a, b in zip(steps, expected, strict=True))


def test_boring_model_is_told_what_is_missing(package, trainer_of):
    """Lightning's own demo ends in a linear layer, which is no feature map; nothing is left in it."""
    boring = importlib.import_module(f"{package.__name__}.demos.boring_classes").BoringModel()
    names = set(boring.__dict__)
    with pytest.raises(ValueError, match=r"at='layer' returns shape \(1, 2\).*needs one 4-D tensor"):
        trainer_of(package, make_plugin("layer")).fit(boring)
    assert {name for name in boring.__dict__ if not name.startswith("_")} <= names
    assert all(parameter.requires_grad for parameter in boring.parameters())


def test_channels_are_found_where_the_network_says(plain, trainer_of):
    """On an 8×8×8 feature its shape does not say which axis is channels; the traced network does."""

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.LayerNorm(8)

        def forward(self, x):
            return self.norm(self.conv(x).permute(0, 2, 3, 1))

    class First(nn.Module):
        def forward(self, x):
            return x.permute(0, 3, 1, 2).repeat(1, 4, 1, 1)

    plain.module.stem, plain.module.stage = Last(), First()
    plugin = make_plugin("stem")
    trainer_of(plain.package, plugin).fit(plain.module, plain.loader)
    assert plugin.unit.layout == "HWC"
