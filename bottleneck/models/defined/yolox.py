"""YOLOX-Nano, a single-stage detector for devices; BatchNorm is folded into its convolutions.

    image 3×H×W ──► stem ──► dark2 ──► dark3 ──► dark4 ──► dark5        strides 2, 4, 8, 16, 32
                                         │c3       │c4       │c5
                                         └────► pyramid, down and up ◄─┘
                                                   │
                              rows: box, objectness, classes, at strides 8, 16 and 32

Behind `dark3` the pyramid branches off, so that is the last closed cut before it comes together again.

Source: Ge et al., "YOLOX: exceeding YOLO series in 2021", arXiv:2107.08430.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Weights are named as the attributes below; a file of them loads as it is.
_WIDTHS = (64, 128, 256)  # channels of the pyramid's levels
_HEAD = 64  # channels of the detecting layers


class YOLOXNano(nn.Module):
    """YOLOX of depth 0.33 and width 0.25, depthwise.

    It takes images whose sides are multiples of 32, with channels in the order blue, green, red and values
    0 to 255, and returns `rows.FORMATS["yolox"]`: `(b, n, 5 + num_classes)`.

    Args:
        num_classes: Classes that it tells apart.
    """

    def __init__(self, num_classes: int = 80):
        super().__init__()
        self.stem = _Focus()
        self.dark2 = nn.Sequential(_Depthwise(16, 32, stride=2), _Partial(32, 32))
        self.dark3 = nn.Sequential(_Depthwise(32, 64, stride=2), _Partial(64, 64, 3))
        self.dark4 = nn.Sequential(_Depthwise(64, 128, stride=2), _Partial(128, 128, 3))
        self.dark5 = nn.Sequential(
            _Depthwise(128, 256, stride=2), _Pooling(256), _Partial(256, 256, shortcut=False)
        )
        self.lateral = _Conv(256, 128)
        self.p4 = _Partial(256, 128, shortcut=False)
        self.reduce = _Conv(128, 64)
        self.p3 = _Partial(128, 64, shortcut=False)
        self.bu2 = _Depthwise(64, 64, stride=2)
        self.n3 = _Partial(128, 128, shortcut=False)
        self.bu1 = _Depthwise(128, 128, stride=2)
        self.n4 = _Partial(256, 256, shortcut=False)
        self.stems = nn.ModuleList(_Conv(width, _HEAD) for width in _WIDTHS)
        self.cls, self.reg = _branches(), _branches()
        self.cls_pred = _last(num_classes)
        self.reg_pred, self.obj_pred = _last(4), _last(1)

    def forward(self, image: Tensor) -> Tensor:
        c3 = self.dark3(self.dark2(self.stem(image)))
        c4 = self.dark4(c3)
        c5 = self.dark5(c4)
        f0 = self.lateral(c5)
        f1 = self.reduce(self.p4(torch.cat((F.interpolate(f0, scale_factor=2), c4), 1)))
        o3 = self.p3(torch.cat((F.interpolate(f1, scale_factor=2), c3), 1))
        o4 = self.n3(torch.cat((self.bu2(o3), f1), 1))
        o5 = self.n4(torch.cat((self.bu1(o4), f0), 1))
        return torch.cat([self._rows(level, feature) for level, feature in enumerate((o3, o4, o5))], 1)

    def _rows(self, level: int, feature: Tensor) -> Tensor:
        """The rows of one level, line by line, `(b, h * w, 5 + num_classes)`."""
        feature = self.stems[level](feature)
        classes = self.cls_pred[level](self.cls[level](feature))
        regressed = self.reg[level](feature)
        box, objectness = self.reg_pred[level](regressed), self.obj_pred[level](regressed)
        rows = torch.cat((box, objectness.sigmoid(), classes.sigmoid()), 1)
        return rows.flatten(2).transpose(1, 2)


class _Conv(nn.Sequential):
    """Convolution and SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
        self.act = nn.SiLU()


class _Depthwise(nn.Sequential):
    """A 3×3 convolution of each channel, and one of all channels in each pixel."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.dconv = _Conv(inputs, inputs, 3, stride, inputs)
        self.pconv = _Conv(inputs, outputs)


class _Residual(nn.Module):
    """Two convolutions, with what entered them added where they are a shortcut's way round."""

    def __init__(self, channels: int, shortcut: bool):
        super().__init__()
        self.conv1, self.conv2, self.shortcut = (
            _Conv(channels, channels),
            _Depthwise(channels, channels),
            shortcut,
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1(x))
        return x + y if self.shortcut else y


class _Partial(nn.Module):
    """A stage of which one half of the channels goes round (cross-stage partial)."""

    def __init__(self, inputs: int, outputs: int, blocks: int = 1, shortcut: bool = True):
        super().__init__()
        half = outputs // 2
        self.conv1, self.conv2 = _Conv(inputs, half), _Conv(inputs, half)
        self.conv3 = _Conv(2 * half, outputs)
        self.m = nn.Sequential(*(_Residual(half, shortcut) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv3(torch.cat((self.m(self.conv1(x)), self.conv2(x)), 1))
        return found


class _Focus(nn.Module):
    """Four pixels of a square become channels, then a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = _Conv(12, 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        squares = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        found: Tensor = self.conv(torch.cat(squares, 1))
        return found


class _Pooling(nn.Module):
    """Largest values of growing neighbourhoods, side by side (spatial pyramid pooling)."""

    def __init__(self, channels: int, kernels: Sequence[int] = (5, 9, 13)):
        super().__init__()
        self.conv1, self.conv2 = _Conv(channels, channels // 2), _Conv(2 * channels, channels)
        self.m = nn.ModuleList(nn.MaxPool2d(kernel, 1, kernel // 2) for kernel in kernels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        found: Tensor = self.conv2(torch.cat([x, *(pool(x) for pool in self.m)], 1))
        return found


def _branches() -> nn.ModuleList:
    """Two convolutions for each level, in front of what is predicted."""
    return nn.ModuleList(nn.Sequential(_Depthwise(_HEAD, _HEAD), _Depthwise(_HEAD, _HEAD)) for _ in _WIDTHS)


def _last(outputs: int) -> nn.ModuleList:
    """What predicts so many values in each pixel of each level."""
    return nn.ModuleList(nn.Conv2d(_HEAD, outputs, 1) for _ in _WIDTHS)
