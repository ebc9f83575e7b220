"""The residual networks for CIFAR-10's 32×32 pixels, which torchvision does not have."""

from torch import Tensor, nn
from torch.nn import functional as F


class CifarResNet(nn.Module):
    """ResNet with 6 · blocks + 2 layers and shortcuts without parameters (option A).

    Split points: `layer1` 16×32×32, `layer2` 32×16×16, `layer3` 64×8×8, and every block in them.

    Args:
        blocks: Residual blocks in each of the three stages: 3 for ResNet-20, 9 for ResNet-56.
        num_classes: Outputs of the classifier.

    Source: He et al., CVPR 2016, arXiv:1512.03385, section 4.2.
    """

    def __init__(self, blocks: int, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, stride=1)
        self.layer2 = _stage(16, 32, blocks, stride=2)
        self.layer3 = _stage(32, 64, blocks, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        feature = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        logits: Tensor = self.linear(self.pool(feature).flatten(1))
        return logits


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.missing = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.missing:  # every second position of the input, and zeros for the channels that it lacks
            sides = (self.missing // 2, self.missing - self.missing // 2)
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *sides))
        return F.relu(x + y)


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = _Block(inputs, outputs, stride)
    return nn.Sequential(first, *(_Block(outputs, outputs, 1) for _ in range(blocks - 1)))
