"""One vector for a whole map: for cuts behind which the network does little but average.

    feature ─► standardised ─┬─ 1×1 C→W ─ BN ─ ReLU ─ mean ─┐
    C×H×W                    └─ mean ───────────────────────┴─ BN ─ C+W→V ─ BN ─ ReLU ─ V→C_r ─► latent
                                                                                                C_r×1×1
    feature' ◄─ everywhere the same ◄─ [ReLU] ◄─ at scale ◄─ U→C ◄─ N layers ◄─ C_r→U ◄─ quantizer ◄─┘

Its encoder takes H·W·C·W + (C + W)·V + V·C_r multiplications.
"""

import torch
from torch import Tensor, nn

from bottleneck.unit.halves import normalised
from bottleneck.unit.scaling import Restored, ScaledUnit, Standardised


class PooledUnit(ScaledUnit):
    """A vector of C_r numbers per image, for feature maps. The latent is signed.

    Args:
        channels: Channels C of the feature.
        latent_channels: Numbers C_r of the latent; more: more rate, better task.
        step: Quantization step Q; larger: less rate.
        size: Height and width (H, W) of the feature.
        encoder_width: Channels W of the layer before the mean; 0: the mean alone.
        hidden: Channels V of the encoder's hidden layer.
        width: Channels U of the decoder.
        blocks: Its residual layers N.
        activation: Last activation of the decoder: `relu` where the feature is never negative, else `none`.
        layout: `CHW`, or `HWC` for networks that keep channels last (Swin).
        stride: 1; the map has no resolution left.

    Raises:
        ValueError: If an argument is out of range; the message names its configuration key.
    """

    kind = "pooled"

    def __init__(
        self,
        channels: int,
        latent_channels: int,
        step: float,
        size: tuple[int, int],
        encoder_width: int = 64,
        hidden: int = 256,
        width: int = 256,
        blocks: int = 1,
        activation: str = "relu",
        layout: str = "CHW",
        stride: int = 1,
    ):
        super().__init__(channels, latent_channels, stride, step, size, activation, layout)
        if stride != 1:
            raise ValueError(f"unit.stride={stride}: unit=pooled has no stride. Use 1 (space.stride=[1]).")
        if encoder_width < 0 or hidden < 1 or width < 1 or blocks < 0:
            raise ValueError(
                f"unit.hidden={hidden} and unit.width={width} must be at least 1, "
                f"unit.encoder_width={encoder_width} and unit.blocks={blocks} at least 0."
            )
        self.encoder_width, self.hidden, self.width, self.blocks = encoder_width, hidden, width, blocks
        self.latent_shape = (latent_channels, 1, 1)
        self.encoder = nn.Sequential(
            Standardised(channels),
            _Means(channels, encoder_width),
            nn.BatchNorm2d(channels + encoder_width),
            *normalised(nn.Conv2d(channels + encoder_width, hidden, 1, bias=False)),
            nn.Conv2d(hidden, latent_channels, 1),
        )
        self.decoder = nn.Sequential(
            *normalised(nn.Conv2d(latent_channels, width, 1, bias=False)),
            *(_Layer(width) for _ in range(blocks)),
            nn.Conv2d(width, channels, 1),
            Restored(channels),
            self.last_activation(),
            _Everywhere(self.size),
        )


class _Means(nn.Module):
    """The mean of a map beside that of a narrow layer on it, `(b, C + W, 1, 1)`."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        layer = normalised(nn.Conv2d(channels, width, 1, bias=False)) if width else ()
        self.narrow = nn.Sequential(*layer) if width else None

    def forward(self, feature: Tensor) -> Tensor:
        means = feature.mean((2, 3), keepdim=True)
        if self.narrow is None:
            return means
        return torch.cat([means, self.narrow(feature).mean((2, 3), keepdim=True)], 1)


class _Layer(nn.Module):
    """A linear map of a vector around a shortcut."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(*normalised(nn.Conv2d(width, width, 1, bias=False)))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.layers(x)
        return found


class _Everywhere(nn.Module):
    """The same vector at each place of a map."""

    def __init__(self, size: tuple[int, int]):
        super().__init__()
        self.size = size

    def forward(self, vector: Tensor) -> Tensor:
        return vector.expand(-1, -1, *self.size)
