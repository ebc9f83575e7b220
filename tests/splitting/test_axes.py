"""Layouts are read off the operations, not guessed from sizes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bottleneck.splitting import split_points


class Turned(nn.Module):
    """Channels first, last, and first again; square in a way that sizes alone would misread."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.act = nn.ReLU()
        self.turn = Permuted(0, 2, 3, 1)
        self.norm = nn.LayerNorm(8)
        self.mix = nn.Linear(8, 8)
        self.back = Permuted(0, 3, 1, 2)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        x = self.turn(self.act(self.conv(x)))
        return self.out(self.back(self.mix(self.norm(x))))


class Permuted(nn.Module):
    """A permute as a module."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x):
        return x.permute(*self.axes)


def layouts(model, shape):
    return {point.name: point.layout for point in split_points(model, torch.zeros(1, *shape))}


@pytest.mark.parametrize("size", [(8, 8), (4, 8), (8, 4)])
def test_convolutions_permutes_and_linear_layers_tell_the_layout(size):
    """Whatever the image's size, also where channels are as many as rows, each cut knows its channels."""
    assert layouts(Turned(), (3, *size)) == {
        "input": "CHW",
        "conv": "CHW",
        "act": "CHW",
        "turn": "HWC",
        "norm": "HWC",
        "mix": "HWC",
        "back": "CHW",
    }


def test_functions_tell_as_much_as_modules():
    """A network written with functions has the same layouts."""

    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last, self.weight = (
                nn.Identity(),
                nn.Identity(),
                nn.Parameter(torch.ones(4, 3, 1, 1)),
            )

        def forward(self, x):
            x = self.first(torch.relu(F.conv2d(x, self.weight)))
            return self.last(F.layer_norm(x.permute(0, 2, 3, 1), (4,))).sum()

    found = layouts(Functional(), (3, 4, 4))
    assert (found["first"], found["last"]) == ("CHW", "HWC")


def test_sequences_and_vectors_need_no_operation():
    """Two axes are tokens by channels, one is channels."""
    model = nn.Sequential(nn.Linear(5, 4), nn.Flatten(), nn.Linear(12, 2), nn.ReLU())
    assert layouts(model, (3, 5)) == {"input": "LC", "0": "LC", "1": "C", "2": "C"}
