"""Parameters and multiply-accumulates."""

import torch
from torch import nn

from bottleneck.measure.complexity import mac_count, parameter_count


def test_macs_of_a_convolution_are_counted_by_hand():
    """A 3×3 convolution of 2 to 5 channels on 6×4 outputs has 2·5·9·24 multiply-accumulates."""
    assert mac_count(nn.Conv2d(2, 5, 3, padding=1), torch.zeros(1, 2, 6, 4)) == 2 * 5 * 9 * 24


def test_macs_of_a_linear_layer_are_counted_by_hand():
    """A linear layer has inputs times outputs multiply-accumulates per sample."""
    assert mac_count(nn.Linear(7, 3), torch.zeros(2, 7)) == 2 * 7 * 3


def test_shared_parameters_count_once():
    """A layer used twice has its parameters once."""
    layer = nn.Linear(3, 3)
    assert parameter_count(nn.Sequential(layer, layer)) == 12
