"""`digits_resnet`, `digits_vit`, `digits_swin`: classifiers of scikit-learn's handwritten digits."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bottleneck.models.embedded.blocks import Block
from bottleneck.models.embedded.first_use import Embedded, fit, reproducible
from bottleneck.models.pixels import Normalize, PixelNetwork

_EPOCHS, _BATCH, _SEED = 30, 64, 0


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


def _vit() -> nn.Module:
    from bottleneck.models.embedded.transformers import DigitsViT  # loads torchvision

    return DigitsViT()


def _swin() -> nn.Module:
    from bottleneck.models.embedded.transformers import DigitsSwin

    return DigitsSwin()


def _classifier(name: str, network: Callable[[], nn.Module], peak_lr: float) -> Embedded:
    """A network for digits and how it is trained on their training images."""

    def build() -> PixelNetwork:
        normalize = Normalize([0.305], [0.376], maximum=16)
        return PixelNetwork(network(), normalize, name=name, input_shape=(1, 8, 8))

    def train(model: PixelNetwork) -> None:
        from bottleneck.data.digits import Digits  # here, because inference must not import Lightning

        samples = Digits(holdout=0).subset("train")
        images = torch.stack([samples[index][0] for index in range(len(samples))])
        labels = torch.tensor([samples[index][1] for index in range(len(samples))])

        def loss(chosen: Tensor) -> Tensor:
            return F.cross_entropy(model(images[chosen]), labels[chosen])

        with reproducible(_SEED, threads=1):
            model.network = network()  # drawn from the seed
            fit(model, len(images), loss, _EPOCHS, _BATCH, peak_lr, f"Training {name}")

    return Embedded(f"{name}-1", build, train)


#: Each is trained in seconds on a CPU.
DIGITS = {
    "digits_resnet": _classifier("digits_resnet", DigitsResNet, 4e-3),
    "digits_vit": _classifier("digits_vit", _vit, 8e-3),
    "digits_swin": _classifier("digits_swin", _swin, 8e-3),
}
