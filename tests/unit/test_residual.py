"""The residual unit: what depth and width cost, and that shortcuts are shortcuts."""

import pytest
import torch
from torch import nn

from bottleneck.measure.complexity import mac_count, parameter_count
from bottleneck.unit import ResidualUnit


def make(**options):
    return ResidualUnit(
        **{"channels": 6, "latent_channels": 3, "stride": 2, "step": 1.0, "size": (7, 5), **options}
    )


def test_work_on_the_device_is_that_of_its_layers():
    """1×1 at the feature's size, 3×3 and two per block at the latent's, 1×1 to C_r."""
    unit = make(width=8, depth=2)
    latent = 4 * 3
    macs = 6 * 8 * 7 * 5 + 9 * 8 * 8 * latent * (1 + 2 * 2) + 8 * 3 * latent
    assert mac_count(unit.encoder, torch.zeros(1, 6, 7, 5)) == macs


def test_depth_adds_two_convolutions_to_each_half():
    """A block has two 3×3 convolutions with their BatchNorm; both halves get one."""
    block = 2 * (9 * 8 * 8 + 2 * 8)
    assert parameter_count(make(width=8, depth=3)) - parameter_count(make(width=8, depth=2)) == 2 * block


def test_block_whose_layers_give_nothing_changes_nothing():
    """Around a block's convolutions there is a shortcut."""
    unit = make(width=8, depth=1).eval()
    (block,) = [
        module for module in unit.encoder if not isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.ReLU))
    ]
    nn.init.zeros_(block.layers[-1].weight)
    x = torch.rand(2, 8, 4, 3)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("stride", [2, 4, 6])
def test_every_output_row_is_reached(stride):
    """The decoder's kernel is as large as the stride, so no row of the feature is left constant."""
    torch.manual_seed(0)
    unit = make(size=(24, 24), stride=stride, width=8, depth=0, activation="none").eval()
    upsampling = next(layer for layer in unit.decoder if isinstance(layer, nn.ConvTranspose2d))
    reached = upsampling(torch.rand(1, 8, *unit.latent_shape[1:])).abs().sum((0, 1))
    assert reached.shape == (24, 24)
    assert bool((reached > 0).all())


@pytest.mark.parametrize(
    ("option", "message"), [({"width": 0}, r"unit\.width=0"), ({"depth": -1}, r"unit\.depth=-1")]
)
def test_bad_options_name_their_key(option, message):
    """What only this unit takes is refused by its configuration key as well."""
    with pytest.raises(ValueError, match=message):
        make(**option)
