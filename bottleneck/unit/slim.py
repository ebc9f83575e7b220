"""Matsubara and Levorato's bottleneck: a slim encoder-decoder in the place of a detector's first layer.

    entry ──► 2×2 ─ BN ─ 2×2 ─ BN ─ ReLU ─ 2×2 ─ BN ─ 2×2 ──► latent ──► quantizer
    C×H×W     64         256                64         C_r    C_r×(H+4)×(W+4)  │
    feature ◄── ReLU ─ BN ─ 2×2 ◄─ BN ─ 2×2 ◄─ ReLU ─ BN ─ 2×2 ◄─ BN ─ 2×2 ◄─ ReLU ─ BN
    C_out×H×W          C_out         256                  128         64

Each convolution of the encoder is padded and makes the map larger by one, each of the decoder makes it
smaller by one, so any size comes back exactly. For C = 64 and C_out = 256 the encoder has 148,224 + 256·C_r
parameters and the decoder 427,392 + 258·C_r.

Source: Matsubara and Levorato, "Split computing for complex object detectors", EMDL 2020, arXiv:2007.15818.
"""

from typing import Any, Self

from torch import Tensor, nn

from bottleneck.unit.base import Unit

_GROWTH = 4  # pixels by which the latent is higher and wider than the map


class SlimUnit(Unit):
    """A unit that replaces the module at the split point; its latent may be negative.

    Args:
        channels: Channels C of the map that enters the module.
        latent_channels: Channels C_r of the latent: 3, 6, 9, 12 or 15 in the paper.
        step: Quantization step Q; larger: less rate. A codec of features codes the latent without it.
        size: Height and width (H, W) of the map; other sizes are taken as well.
        out_channels: Channels of the module's output.
        stride: 1.

    Raises:
        ValueError: If an argument is out of range; the message names its configuration key.
    """

    kind = "slim"
    replaces = True
    layouts = ("CHW",)

    def __init__(
        self,
        channels: int,
        latent_channels: int,
        step: float,
        size: tuple[int, int],
        out_channels: int,
        stride: int = 1,
    ):
        super().__init__(channels, latent_channels, stride, step, size, "CHW")
        if stride != 1:
            raise ValueError(
                f"unit.stride={stride}: unit=slim keeps the map's size. Use 1 (space.stride=[1])."
            )
        self.out_channels = out_channels
        self.feature_shape = (channels, *self.size)
        self.latent_shape = self.latent_shape_of(self.feature_shape)
        self.encoder = nn.Sequential(
            *_step(channels, 64, padding=1),
            *_step(64, 256, padding=1),
            nn.ReLU(),
            *_step(256, 64, padding=1),
            nn.Conv2d(64, latent_channels, 2, padding=1, bias=False),
        )
        self.decoder = nn.Sequential(
            nn.BatchNorm2d(latent_channels),
            nn.ReLU(),
            *_step(latent_channels, 64),
            *_step(64, 128),
            nn.ReLU(),
            *_step(128, 256),
            *_step(256, out_channels),
            nn.ReLU(),
        )

    @classmethod
    def from_features(
        cls, features: Tensor, layout: str, replaced: Tensor | None = None, **options: Any
    ) -> Self:
        """A unit that fits what enters and what leaves the module that it replaces.

        Args:
            features: A few of the maps that enter the module, `(b, C, H, W)`.
            layout: Their layout.
            replaced: What the module makes of them, `(b, C_out, H, W)`.
            options: The other arguments of the constructor.

        Raises:
            ValueError: If the module changes the maps' size.
        """
        cls.check_layout(layout, tuple(features.shape[1:]))
        if replaced is None or replaced.shape[2:] != features.shape[2:]:
            found = None if replaced is None else tuple(replaced.shape[1:])
            raise ValueError(
                f"unit=slim replaces a module that keeps the map's size; this one makes {found} of "
                f"{tuple(features.shape[1:])}. Split at a module with stride 1, such as layer1 of a ResNet."
            )
        size = (features.shape[2], features.shape[3])
        return cls(channels=features.shape[1], size=size, out_channels=replaced.shape[1], **options)

    def latent_shape_of(self, feature_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(feature_shape) != 3 or feature_shape[0] != self.channels:
            raise ValueError(
                f"This unit was built for maps of {self.channels} channels, got {feature_shape}. "
                "It belongs to another network or split point."
            )
        return (self.latent_channels, feature_shape[1] + _GROWTH, feature_shape[2] + _GROWTH)


def _step(inputs: int, outputs: int, padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 2, padding=padding, bias=False), nn.BatchNorm2d(outputs)]
