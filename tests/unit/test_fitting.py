"""Units for what a network gives, from options as a configuration has them."""

import pytest
import torch
from torch import nn

from bottleneck.splitting import split
from bottleneck.unit.fitting import unit_for

TOKENS = {"latent_channels": 2, "stride": 2, "step": 1.0}


class Tokens(nn.Module):
    """Twelve tokens of a 4×12 picture, then their mean."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 6, 2, stride=2)
        self.mix = nn.Linear(6, 6)

    def forward(self, images):
        return self.mix(self.patches(images).flatten(2).transpose(1, 2)).mean(1)


@pytest.fixture(scope="module")
def net():
    return split(Tokens().eval(), "mix", torch.zeros(1, 1, 4, 12)).freeze()


@pytest.fixture(scope="module")
def given(net):
    with torch.no_grad():
        return net.head(torch.zeros(2, 1, 4, 12))


def test_a_grid_is_no_list_for_several_tensors(net, given):
    """Height and width of the tokens come as a list, where one tensor is sent."""
    unit = unit_for(net, given, "tokens", {**TOKENS, "grid": [2, 6]})
    assert unit(given).feature.shape == given.shape


@pytest.mark.parametrize("grid", [3, "ab", [4], [0, 0], [2, 6, 1]])
def test_what_is_no_grid_is_refused(net, given, grid):
    """By its key."""
    with pytest.raises(ValueError, match=r"unit\.grid=.* must be \[HEIGHT,WIDTH\]"):
        unit_for(net, given, "tokens", {**TOKENS, "grid": grid})


def test_a_value_for_each_of_several_tensors_needs_several(net, given):
    """Where one is sent, a list of anything else is refused."""
    with pytest.raises(ValueError, match=r"unit\.latent_channels=\[2, 3\] has a value for each"):
        unit_for(net, given, "tokens", {**TOKENS, "latent_channels": [2, 3]})
