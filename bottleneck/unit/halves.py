"""Halves that may be chosen separately: what the device pays for, and what the server pays for.

    depthwise encoder   depthwise k×k /S ─ 1×1 C→C_r                              the paper's, cheapest
    residual encoder    1×1 C→W ─┬─ depthwise k×k /S ─ 1×1 W→W ─(+)─ 1×1 W→C_r    for few bytes
                                 └─ mean of S×S ─────────────────┘
    patch encoder       1×1 C→W ─ depthwise 3×3, with a shortcut ─ S×S /S W→C_r   for many bytes
    mirrored decoder    1×1 C_r→C ─ depthwise 2S×2S ×S                            the paper's
    residual decoder    1×1 C_r→W ─ N blocks of two 3×3 ─ 2S×2S ×S ─ 1×1 W→C      wide where maps are small

All take and make maps of any size; h = ceil(H / S).
"""

from torch import Tensor, nn
from torch.nn import functional as F


def normalised(layer: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    """A convolution with BatchNorm and ReLU behind it."""
    return layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU()


def latent_size(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """H and w of the latent."""
    return -(-size[0] // stride), -(-size[1] // stride)


class Block(nn.Module):
    """Two 3×3 convolutions around a shortcut; shapes stay."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            *normalised(nn.Conv2d(width, width, 3, padding=1, bias=False)),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.layers(x))


class _Beside(nn.Module):
    """The sum of two ways through."""

    def __init__(self, first: nn.Module, second: nn.Module):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.first(x) + self.second(x)
        return found


class _Padded(nn.Module):
    """Rows and columns of zeros at the lower and right edge, until the stride divides the map."""

    def __init__(self, size: tuple[int, int], stride: int):
        super().__init__()
        self.padding = (0, -size[1] % stride, 0, -size[0] % stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.padding)


class _Cropped(nn.Module):
    """What goes beyond the map is left out."""

    def __init__(self, size: tuple[int, int]):
        super().__init__()
        self.height, self.width = size

    def forward(self, x: Tensor) -> Tensor:
        return x[..., : self.height, : self.width]


def depthwise_encoder(
    channels: int, latent_channels: int, stride: int, width: int, size: tuple[int, int]
) -> nn.Sequential:
    """`(b, C, H, W)` to `(b, C_r, h, w)`, signed; `width` is not used."""
    kernel = max(3, stride // 2 * 2 + 1)
    depthwise = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
    return nn.Sequential(*normalised(depthwise), nn.Conv2d(channels, latent_channels, 1))


def residual_encoder(
    channels: int, latent_channels: int, stride: int, width: int, size: tuple[int, int]
) -> nn.Sequential:
    """`(b, C, H, W)` to `(b, C_r, h, w)`, signed, in H·W·C·W + h·w·W·(k² + W + C_r) multiplications."""
    kernel = max(5, stride // 2 * 2 + 1)
    spatial = nn.Sequential(
        *normalised(nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False)),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
    )
    mean = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(
        *normalised(nn.Conv2d(channels, width, 1, bias=False)),
        _Beside(mean, spatial),
        nn.Conv2d(width, latent_channels, 1),
    )


def patch_encoder(
    channels: int, latent_channels: int, stride: int, width: int, size: tuple[int, int]
) -> nn.Sequential:
    """`(b, C, H, W)` to `(b, C_r, h, w)`, signed, in H·W·(C·W + 9·W + W·C_r) multiplications.

    Each value of a patch reaches every latent channel, where `residual_encoder` averages patches first.
    """
    spatial = nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), nn.BatchNorm2d(width)
    )
    return nn.Sequential(
        *normalised(nn.Conv2d(channels, width, 1, bias=False)),
        _Beside(nn.Identity(), spatial),
        nn.ReLU(),
        _Padded(size, stride),
        nn.Conv2d(width, latent_channels, stride, stride),
    )


def mirrored_decoder(
    channels: int, latent_channels: int, stride: int, width: int, blocks: int, size: tuple[int, int]
) -> nn.Sequential:
    """`(b, C_r, h, w)` to `(b, C, H, W)`; `width` and `blocks` are not used."""
    return nn.Sequential(
        *normalised(nn.Conv2d(latent_channels, channels, 1, bias=False)),
        _up(channels, stride, groups=channels, bias=True),
        _Cropped(size),
    )


def residual_decoder(
    channels: int, latent_channels: int, stride: int, width: int, blocks: int, size: tuple[int, int]
) -> nn.Sequential:
    """`(b, C_r, h, w)` to `(b, C, H, W)`."""
    up = normalised(_up(width, stride)) if stride > 1 else ()
    return nn.Sequential(
        *normalised(nn.Conv2d(latent_channels, width, 1, bias=False)),
        *(Block(width) for _ in range(blocks)),
        *up,
        _Cropped(size),
        nn.Conv2d(width, channels, 1),
    )


def _up(width: int, stride: int, groups: int = 1, bias: bool = False) -> nn.Conv2d | nn.ConvTranspose2d:
    """A convolution that makes a map S times as high and wide."""
    if stride == 1:
        return nn.Conv2d(width, width, 3, padding=1, groups=groups, bias=bias)
    kernel = 2 * stride
    padding = (kernel - stride + 1) // 2
    return nn.ConvTranspose2d(width, width, kernel, stride, padding, stride % 2, groups, bias)


ENCODERS = {"depthwise": depthwise_encoder, "residual": residual_encoder, "patch": patch_encoder}
DECODERS = {"mirrored": mirrored_decoder, "residual": residual_decoder}
