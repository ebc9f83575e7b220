"""A semantic segmentation network for scenes of handwritten digits."""

from torch import Tensor, nn

from bottleneck.models.embedded.blocks import Block


class ScenesSegmenter(nn.Module):
    """A small network without skip connections for 3×64×64 scenes, 11 classes: every cut is closed.

    Split points: `stem` 24×32×32, `layer1` 32×16×16, `layer2` 96×8×8, `layer3` 96×8×8, `context` 256×8×8.
    The classifier has eight times the resolution of its feature: each position decides on 8×8 pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU()
        )
        self.layer1 = Block(24, 32, 2)
        self.layer2 = Block(32, 96, 2)
        self.layer3 = Block(96, 96, 1, dilation=2)
        self.context = nn.Sequential(
            nn.Conv2d(96, 256, 3, padding=1, bias=False), nn.BatchNorm2d(256), nn.ReLU()
        )
        self.classifier = nn.Sequential(nn.Conv2d(256, 11 * 8 * 8, 1), nn.PixelShuffle(8))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.classifier(self.context(self.layer3(self.layer2(self.layer1(self.stem(x))))))
        return found
