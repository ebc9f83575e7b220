"""Your own network and your own data: nothing here knows of bottleneck."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import Dataset


class DigitNet(nn.Module):
    """A small convolutional network: 1×32×32 pictures, ten classes."""

    def __init__(self):
        super().__init__()
        self.layer1 = block(1, 16)  # 16×16×16
        self.layer2 = block(16, 32)  # 32×8×8
        self.layer3 = block(32, 64)  # 64×4×4
        self.fc = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.layer3(self.layer2(self.layer1(images))).mean(dim=(2, 3)))


def block(inputs: int, outputs: int) -> nn.Sequential:
    """Half as high, half as wide, more channels."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())


class PlacedDigits(Dataset):
    """Real handwritten digits of 16×16 pixels, each at some place of a noisy 32×32 picture.

    Args:
        train: The first 1,500 scans, at new places in every epoch; else the other 297, at fixed places.
    """

    def __init__(self, train: bool):
        scans = load_digits()
        chosen = slice(0, 1500) if train else slice(1500, None)
        self.scans = torch.tensor(scans.images[chosen], dtype=torch.float32) / 16
        self.labels = torch.tensor(scans.target[chosen])
        self.train = train

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        random = None if self.train else torch.Generator().manual_seed(index)
        picture = 0.1 * torch.randn(1, 32, 32, generator=random)
        top, left = torch.randint(0, 17, (2,), generator=random).tolist()
        scan = self.scans[index].repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)
        picture[0, top : top + 16, left : left + 16] += scan
        return picture, self.labels[index]
