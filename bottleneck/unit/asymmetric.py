"""A small encoder for the device and a wide decoder for the server, chosen separately.

    feature ─► standardised ─► encoder ─► latent ─► quantizer ─► decoder ─► at scale ─► [ReLU] ─► feature'
    C×H×W      on the device: a few      C_r×h×w                 on the server: as wide as it pays
               per mille of its work     signed

The mirrored decoder of the paper's unit is the limit at early and middle cuts, and the device does not pay
for another.
"""

from typing import Any

from torch import nn

from bottleneck.unit.halves import DECODERS, ENCODERS, latent_size
from bottleneck.unit.scaling import Restored, ScaledUnit, Standardised


class AsymmetricUnit(ScaledUnit):
    """Any encoder with any decoder, for feature maps. The latent is signed.

    Args:
        channels: Channels C of the feature.
        latent_channels: Channels C_r of the latent; more: more rate, better task.
        stride: Downsampling S of the latent in each dimension.
        step: Quantization step Q; larger: less rate.
        size: Height and width (H, W) of the feature.
        encoder: `depthwise`, `residual` or `patch`, see `halves.py`.
        encoder_width: Channels of the residual and the patch encoder; the device's work grows with it.
        decoder: `mirrored` or `residual`.
        width: Channels of the residual decoder; the server's work grows with its square.
        blocks: Its residual blocks.
        activation: Last activation of the decoder: `relu` where the feature is never negative, else `none`.
        layout: `CHW`, or `HWC` for networks that keep channels last (Swin).

    Raises:
        ValueError: If an argument is out of range; the message names its configuration key.
    """

    kind = "asymmetric"

    def __init__(
        self,
        channels: int,
        latent_channels: int,
        stride: int,
        step: float,
        size: tuple[int, int],
        encoder: str = "residual",
        encoder_width: int = 64,
        decoder: str = "residual",
        width: int = 96,
        blocks: int = 2,
        activation: str = "relu",
        layout: str = "CHW",
    ):
        super().__init__(channels, latent_channels, stride, step, size, activation, layout)
        for name, value, known in (("encoder", encoder, ENCODERS), ("decoder", decoder, DECODERS)):
            if value not in known:
                raise ValueError(f"unit.{name}={value!r} is unknown. Choose one of {sorted(known)}.")
        if encoder_width < 1 or width < 1 or blocks < 0:
            raise ValueError(
                f"unit.encoder_width={encoder_width} and unit.width={width} must be at least 1, "
                f"unit.blocks={blocks} at least 0."
            )
        self.encoder_width, self.width, self.blocks = encoder_width, width, blocks
        self._halves = {"encoder": encoder, "decoder": decoder}
        self.latent_shape = (latent_channels, *latent_size(self.size, stride))
        self.encoder = nn.Sequential(
            Standardised(channels),
            *ENCODERS[encoder](channels, latent_channels, stride, encoder_width, self.size),
        )
        self.decoder = nn.Sequential(
            *DECODERS[decoder](channels, latent_channels, stride, width, blocks, self.size),
            Restored(channels),
            self.last_activation(),
        )

    @property
    def options(self) -> dict[str, Any]:
        """The kind and the constructor's arguments; the halves by their names."""
        return {**super().options, **self._halves}
