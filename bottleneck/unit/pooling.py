"""One linear map per S×S cell of a grid, and the way back, for grids of any size.

C×H×W ──► mean of each cell ─ 1×1 C→C_r ─ BN ──► C_r×h×w        h = ceil(H / S)
C×H×W ◄── BN ─ crop ─ S×S C_r→C, one for each place in the cell ◄┘
"""

from torch import Tensor, nn


def pooled_size(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Cells in each dimension of a grid; those at the lower and right edge may be partial."""
    return -(-size[0] // stride), -(-size[1] // stride)


def pool(channels: int, latent_channels: int, stride: int) -> nn.Sequential:
    """From a grid, `(b, C, H, W)`, to its cells, `(b, C_r, h, w)`; partial cells are means too."""
    return nn.Sequential(
        nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity(),
        nn.Conv2d(channels, latent_channels, 1, bias=False),
        nn.BatchNorm2d(latent_channels),
    )


def unpool(latent_channels: int, channels: int, stride: int, size: tuple[int, int]) -> nn.Sequential:
    """From cells, `(b, C_r, h, w)`, to a grid of `size`, `(b, C, H, W)`."""
    return nn.Sequential(
        nn.ConvTranspose2d(latent_channels, channels, stride, stride, bias=False),
        _Crop(size),
        nn.BatchNorm2d(channels),
    )


class _Crop(nn.Module):
    """Leave out what partial cells have beyond the grid."""

    def __init__(self, size: tuple[int, int]):
        super().__init__()
        self.height, self.width = size

    def forward(self, grid: Tensor) -> Tensor:
        return grid[..., : self.height, : self.width]
