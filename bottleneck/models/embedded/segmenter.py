"""`scenes_segmenter`: a semantic segmentation network for scenes of handwritten digits."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bottleneck.models.embedded.blocks import Block
from bottleneck.models.embedded.first_use import Embedded, fit, reproducible
from bottleneck.models.pixels import Normalize, PixelNetwork

_EPOCHS, _BATCH, _PEAK_LR, _SEED = 12, 32, 4e-3, 0


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


def _build() -> PixelNetwork:
    normalize = Normalize([0.25] * 3, [0.22] * 3)
    return PixelNetwork(ScenesSegmenter(), normalize, name="scenes_segmenter", input_shape=(3, 64, 64))


def _train(network: PixelNetwork) -> None:
    """Train on the scenes' training images."""
    from bottleneck.data.scenes import SemanticScenes  # here, because inference must not import Lightning

    samples = SemanticScenes(holdout=0).subset("train")
    pairs = (samples[index] for index in range(len(samples)))
    images, masks = (torch.stack(parts) for parts in zip(*pairs, strict=True))
    with reproducible(_SEED):
        network.network = ScenesSegmenter()  # drawn from the seed
        fit(
            network,
            len(images),
            lambda chosen: F.cross_entropy(network(images[chosen]), masks[chosen].long()),
            _EPOCHS,
            _BATCH,
            _PEAK_LR,
            "Training the segmentation network",
        )


#: About a minute on two cores; mIoU 0.87 on the scenes of val.
SCENES_SEGMENTER = Embedded("scenes_segmenter-1", _build, _train)
