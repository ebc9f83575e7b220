"""The paper's unit: a depthwise-separable encoder, a quantizer, and the mirrored decoder.

    feature ──► depthwise 3×3 /S ─ BN ─ ReLU ─ 1×1 C→C_r ─ BN ─ ReLU ──► latent ──► quantizer
    C×H×W                                                               C_r×h×w         │
    feature' ◄── [ReLU] ─ BN ─ depthwiseᵀ k_d ×S ─ ReLU ─ BN ─ 1×1ᵀ C_r→C ◄─────────────┘

Its parameters number 9C + 2·C·C_r + k_d²·C + 2·(3C + C_r), both halves and the affine parameters of
BatchNorm included.

Source: Datta et al., "A low-complexity approach to rate-distortion optimized variable bit-rate
compression for split DNN computing", ICPR 2022.
"""

import dataclasses

from torch import nn

from bottleneck.unit.geometry import ENCODER_KERNEL, GEOMETRIES
from bottleneck.unit.maps import MapUnit


class BottleneckUnit(MapUnit):
    """The default unit, for feature maps. The latent is never negative.

    Args:
        channels: Channels C of the feature.
        latent_channels: Channels C_r of the latent; more: more rate, better task.
        stride: Downsampling S of the latent in each dimension.
        step: Quantization step Q; larger: less rate.
        size: Height and width (H, W) of the feature.
        activation: Last activation of the decoder: `relu` where the feature is never negative, else `none`.
        kernel: Decoder kernel, odd; `exact` geometry takes a larger one where the size needs it.
        geometry: `exact` restores the feature's size; `released` is that of the authors' weights.
        layout: `CHW`, or `HWC` for networks that keep channels last (Swin).

    Raises:
        ValueError: If an argument is out of range; the message names its configuration key.
    """

    kind = "depthwise"

    def __init__(
        self,
        channels: int,
        latent_channels: int,
        stride: int,
        step: float,
        size: tuple[int, int],
        activation: str = "relu",
        kernel: int = 3,
        geometry: str = "exact",
        layout: str = "CHW",
    ):
        super().__init__(channels, latent_channels, stride, step, size, activation, layout)
        if geometry not in GEOMETRIES:
            raise ValueError(f"unit.geometry={geometry!r} is unknown. Choose one of {sorted(GEOMETRIES)}.")
        vertical, horizontal = (GEOMETRIES[geometry](length, stride, kernel) for length in size)
        self.kernel, self.geometry = kernel, geometry
        self.latent_shape = (latent_channels, vertical.latent_size, horizontal.latent_size)

        self.encoder = nn.Sequential(
            nn.Conv2d(
                channels,
                channels,
                ENCODER_KERNEL,
                stride,
                padding=(vertical.encoder_padding, horizontal.encoder_padding),
                groups=channels,
                bias=False,
            ),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, latent_channels, 1, bias=False),
            nn.BatchNorm2d(latent_channels),
            nn.ReLU(),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(latent_channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.ConvTranspose2d(
                channels,
                channels,
                (vertical.kernel, horizontal.kernel),
                stride,
                padding=(vertical.padding, horizontal.padding),
                output_padding=(vertical.output_padding, horizontal.output_padding),
                groups=channels,
                bias=False,
            ),
            nn.BatchNorm2d(channels),
            self.last_activation(),
        )

    def latent_shape_of(self, feature_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the latent; maps of other sizes are taken where they need the very same paddings."""
        channels, *size = self.layout.shape_channels_first(feature_shape)
        if channels == self.channels and len(size) == 2:
            geometry = GEOMETRIES[self.geometry]
            own, found = (
                [geometry(length, self.stride, self.kernel) for length in lengths]
                for lengths in (self.size, size)
            )
            if [dataclasses.replace(f, size=o.size) for f, o in zip(found, own, strict=True)] == own:
                return (self.latent_channels, found[0].latent_size, found[1].latent_size)
        return super().latent_shape_of(feature_shape)
