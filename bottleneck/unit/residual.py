"""A deeper unit: narrow the channels, then convolve at the latent's size with shortcuts.

    feature ──► 1×1 C→W ─ 3×3 /S ─ N blocks ─ 1×1 W→C_r ──► latent ──► quantizer
    C×H×W                                                  C_r×h×w         │
    feature' ◄── 1×1 W→C ◄─ k_d ×S ◄─ N blocks ◄─ 1×1 C_r→W ◄──────────────┘

Each convolution is followed by BatchNorm and ReLU (the last of all by the unit's activation); a block is two
3×3 convolutions around a shortcut.

Source: the block is that of He et al., "Deep residual learning for image recognition", CVPR 2016.
"""

from torch import nn

from bottleneck.unit.geometry import ENCODER_KERNEL, exact
from bottleneck.unit.halves import Block, normalised
from bottleneck.unit.maps import MapUnit


class ResidualUnit(MapUnit):
    """A residual network in each half, for feature maps. The latent is never negative.

    Args:
        channels: Channels C of the feature.
        latent_channels: Channels C_r of the latent; more: more rate, better task.
        stride: Downsampling S of the latent in each dimension.
        step: Quantization step Q; larger: less rate.
        size: Height and width (H, W) of the feature.
        width: Channels W of the blocks; the device's work grows with its square.
        depth: Blocks N in each half.
        activation: Last activation of the decoder: `relu` where the feature is never negative, else `none`.
        layout: `CHW`, or `HWC` for networks that keep channels last (Swin).

    Raises:
        ValueError: If an argument is out of range; the message names its configuration key.
    """

    kind = "residual"

    def __init__(
        self,
        channels: int,
        latent_channels: int,
        stride: int,
        step: float,
        size: tuple[int, int],
        width: int = 64,
        depth: int = 2,
        activation: str = "relu",
        layout: str = "CHW",
    ):
        super().__init__(channels, latent_channels, stride, step, size, activation, layout)
        if width < 1 or depth < 0:
            raise ValueError(f"unit.width={width} must be at least 1, unit.depth={depth} at least 0.")
        self.width, self.depth = width, depth
        covering = max(ENCODER_KERNEL, stride // 2 * 2 + 1)  # odd, and each output row is reached
        vertical, horizontal = (exact(length, stride, covering) for length in size)
        self.latent_shape = (latent_channels, vertical.latent_size, horizontal.latent_size)
        self.encoder = nn.Sequential(
            *normalised(nn.Conv2d(channels, width, 1, bias=False)),
            *normalised(nn.Conv2d(width, width, ENCODER_KERNEL, stride, padding=1, bias=False)),
            *(Block(width) for _ in range(depth)),
            *normalised(nn.Conv2d(width, latent_channels, 1, bias=False)),
        )
        self.decoder = nn.Sequential(
            *normalised(nn.Conv2d(latent_channels, width, 1, bias=False)),
            *(Block(width) for _ in range(depth)),
            *normalised(
                nn.ConvTranspose2d(
                    width,
                    width,
                    (vertical.kernel, horizontal.kernel),
                    stride,
                    padding=(vertical.padding, horizontal.padding),
                    output_padding=(vertical.output_padding, horizontal.output_padding),
                    bias=False,
                )
            ),
            nn.Conv2d(width, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            self.last_activation(),
        )
