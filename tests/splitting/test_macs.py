"""Multiply-accumulates are those that PyTorch itself counts."""

import contextlib

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from bottleneck.splitting.macs import MacCounter


class Attention(nn.Module):
    """Tokens that attend to each other, by two matrix products and by PyTorch's one operation."""

    def forward(self, tokens):
        once = (tokens @ tokens.mT).softmax(-1) @ tokens
        return F.scaled_dot_product_attention(once, once, once)


@pytest.mark.parametrize("mode", [contextlib.nullcontext, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (
            nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(24, 3)),
            (2, 4, 4, 4),
        ),
        (nn.ConvTranspose2d(4, 6, 3, stride=2), (1, 4, 4, 4)),
        (Attention(), (2, 1, 5, 8)),
    ],
    ids=["convolutions", "transposed", "attention"],
)
def test_counts_are_those_of_pytorchs_own_counter(network, shape, mode):
    """Whatever the layer, and whether gradients are kept or not, both counters agree."""
    example = torch.zeros(shape)
    network.eval()
    with mode(), FlopCounterMode(display=False) as expected:
        network(example)
    with mode(), MacCounter() as found:
        network(example)
    assert found.macs == expected.get_total_flops() // 2 > 0
