"""Channel reduction and nothing else: the least that a trained unit can be.

    feature ──► mean of S×S ─ 1×1 C→C_r ─ BN ─ ReLU ──► latent ──► quantizer
    C×H×W                                              C_r×h×w         │
    feature' ◄── [ReLU] ─ BN ─ S×S ×S C_r→C ◄──────────────────────────┘

Its parameters number (1 + S²)·C·C_r + 2·(C + C_r), affine parameters of BatchNorm included; its
encoder takes C·C_r·h·w multiply-accumulates.
"""

from torch import nn

from bottleneck.unit.maps import MapUnit
from bottleneck.unit.pooling import pool, pooled_size, unpool


class PlainUnit(MapUnit):
    """One linear layer in each half, for feature maps. The latent is never negative.

    Args and errors: see `MapUnit`.
    """

    kind = "plain"

    def __init__(
        self,
        channels: int,
        latent_channels: int,
        stride: int,
        step: float,
        size: tuple[int, int],
        activation: str = "relu",
        layout: str = "CHW",
    ):
        super().__init__(channels, latent_channels, stride, step, size, activation, layout)
        self.latent_shape = (latent_channels, *pooled_size(self.size, stride))
        self.encoder = pool(channels, latent_channels, stride).append(nn.ReLU())
        self.decoder = unpool(latent_channels, channels, stride, self.size).append(self.last_activation())
