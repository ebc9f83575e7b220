"""`digits_resnet`: a classifier of scikit-learn's handwritten digits."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bottleneck.models.embedded.blocks import Block
from bottleneck.models.embedded.first_use import Embedded, fit, reproducible
from bottleneck.models.pixels import Normalize, PixelNetwork

_EPOCHS, _BATCH, _PEAK_LR, _SEED = 30, 64, 4e-3, 0


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
        return self.fc(torch.flatten(self.pool(x), 1))


def _build() -> PixelNetwork:
    normalize = Normalize([0.305], [0.376], maximum=16)
    return PixelNetwork(DigitsResNet(), normalize, name="digits_resnet", input_shape=(1, 8, 8))


def _train(network: PixelNetwork) -> None:
    """Train on the digits' training images."""
    from bottleneck.data.digits import Digits  # here, because inference must not import Lightning

    samples = Digits(holdout=0).subset("train")
    images = torch.stack([samples[index][0] for index in range(len(samples))])
    labels = torch.tensor([samples[index][1] for index in range(len(samples))])
    with reproducible(_SEED, threads=1):
        network.network = DigitsResNet()  # drawn from the seed
        fit(
            network,
            len(images),
            lambda chosen: F.cross_entropy(network(images[chosen]), labels[chosen]),
            _EPOCHS,
            _BATCH,
            _PEAK_LR,
            "Training the digits network",
        )


#: Seconds on a CPU.
DIGITS_RESNET = Embedded("digits_resnet-1", _build, _train)
