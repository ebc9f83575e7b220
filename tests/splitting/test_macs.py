"""Multiply-accumulates are those that PyTorch itself counts."""

import contextlib

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
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
    """Whatever the layer, and whether gradients are kept or not, both counters agree.

    PyTorch's own knows attention by its matrix products, and not as the CPU computes it.
    """
    example = torch.zeros(shape)
    network.eval()
    with mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as expected:
        network(example)
    with mode(), MacCounter() as found:
        network(example)
    assert found.macs == expected.get_total_flops() // 2 > 0


def test_attention_counts_as_the_cpu_computes_it():
    """Queries with keys, and weights with values, for each head; by hand."""
    tokens = torch.zeros(1, 2, 17, 16)
    with MacCounter() as found:
        F.scaled_dot_product_attention(tokens, tokens, tokens)
    assert found.macs == 2 * 2 * 17 * 17 * 16


def test_multihead_attention_is_not_hidden():
    """Its fused path is off while it is counted, and as it was afterwards."""
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    tokens = torch.zeros(1, 5, 8)
    before = torch.backends.mha.get_fastpath_enabled()
    with torch.no_grad(), MacCounter() as found:
        layer(tokens, tokens, tokens, need_weights=False)
    assert found.macs == 5 * 8 * 24 + 5 * 8 * 8 + 2 * 2 * 5 * 5 * 4
    assert torch.backends.mha.get_fastpath_enabled() == before
