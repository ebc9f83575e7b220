"""A deeper unit: narrow the channels, then convolve at the latent's size with shortcuts.

    feature ──► 1×1 C→W ─ 3×3 /S ─ N blocks ─ 1×1 W→C_r ──► latent ──► quantizer
    C×H×W                                                  C_r×h×w         │
    feature' ◄── 1×1 W→C ◄─ k_d ×S ◄─ N blocks ◄─ 1×1 C_r→W ◄──────────────┘

Each convolution is followed by BatchNorm and ReLU (the last of all by the unit's activation); a block is two
3×3 convolutions around a shortcut.

Source: the block is that of He et al., "Deep residual learning for image recognition", CVPR 2016.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from bottleneck.unit.geometry import ENCODER_KERNEL, exact
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
            *_normalised(nn.Conv2d(channels, width, 1, bias=False)),
            *_normalised(nn.Conv2d(width, width, ENCODER_KERNEL, stride, padding=1, bias=False)),
            *(_Block(width) for _ in range(depth)),
            *_normalised(nn.Conv2d(width, latent_channels, 1, bias=False)),
        )
        self.decoder = nn.Sequential(
            *_normalised(nn.Conv2d(latent_channels, width, 1, bias=False)),
            *(_Block(width) for _ in range(depth)),
            *_normalised(
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


def _normalised(layer: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    return layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU()


class _Block(nn.Module):
    """Two 3×3 convolutions around a shortcut; shapes stay."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            *_normalised(nn.Conv2d(width, width, 3, padding=1, bias=False)),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.layers(x))
