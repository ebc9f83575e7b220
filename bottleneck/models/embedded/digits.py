"""A classifier of scikit-learn's handwritten digits."""

import torch
from torch import Tensor, nn

from bottleneck.models.embedded.blocks import Block


class DigitsResNet(nn.Module):
    """A small ResNet for 1×8×8 digits: 0.17 M parameters, ten classes.

    Split points: `stem` 32×8×8, `layer1` 32×8×8, `layer2` 64×4×4, `layer3` 128×2×2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.layer1 = Block(32, 32, 1)
        self.layer2 = Block(32, 64, 2)
        self.layer3 = Block(64, 128, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        found: Tensor = self.fc(torch.flatten(self.pool(x), 1))
        return found
