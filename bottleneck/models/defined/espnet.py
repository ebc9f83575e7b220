"""ESPNet, a semantic segmenter small enough for a device.

x ─► level1 ─► b1 ─► level2 ─► b2 ─► level3 ─► b3 ─► classifier ─► level3_up ─┐
                │               └──────────────────────────────────► level2_up ─┤
                └───────────────────────────────────────────────────► conv ─► classifier ─► logits

The decoder reads `b1` and `b2` again, so the only closed cut behind the first layer is `conv`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPSILON = 1e-3  # of every BatchNorm, as the published weights were trained with


class ESPNet(nn.Module):
    """One class per pixel; height and width of images have to be multiples of 8.

    Args:
        num_classes: Logits of each pixel, those of a class for what is not judged included.
        p: Blocks of the second level.
        q: Blocks of the third level.

    Source: Mehta et al., ECCV 2018, arXiv:1803.06815.
    """

    def __init__(self, num_classes: int = 12, p: int = 2, q: int = 8) -> None:
        super().__init__()
        self.encoder = _Encoder(num_classes, p, q)
        self.level3_C = _Bare(131, num_classes, 1)
        self.br = nn.BatchNorm2d(num_classes, eps=_EPSILON)
        self.conv = _Convolved(19 + num_classes, num_classes, 3)
        self.up_l3 = nn.Sequential(_doubled(num_classes))
        merged = _Pyramid(2 * num_classes, num_classes, residual=False)
        self.combine_l2_l3 = nn.Sequential(_Normalised(2 * num_classes), merged)
        self.up_l2 = nn.Sequential(_doubled(num_classes), _Normalised(num_classes))
        self.classifier = _doubled(num_classes)

    def forward(self, x: Tensor) -> Tensor:
        half, quarter, eighth = self.encoder(x)
        y = torch.cat((self.level3_C(quarter), self.up_l3(self.br(eighth))), 1)
        y = torch.cat((self.up_l2(self.combine_l2_l3(y)), half), 1)
        logits: Tensor = self.classifier(self.conv(y))
        return logits


class _Encoder(nn.Module):
    def __init__(self, classes: int, p: int, q: int) -> None:
        super().__init__()
        self.level1, self.b1 = _Convolved(3, 16, 3, stride=2), _Normalised(16 + 3)
        self.level2_0 = _Pyramid(19, 64, down=True)
        self.level2 = nn.Sequential(*(_Pyramid(64, 64) for _ in range(p)))
        self.b2 = _Normalised(64 + 64 + 3)
        self.level3_0 = _Pyramid(131, 128, down=True)
        self.level3 = nn.Sequential(*(_Pyramid(128, 128) for _ in range(q)))
        self.b3 = _Normalised(128 + 128)
        self.classifier = _Bare(256, classes, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        small = F.avg_pool2d(x, 3, 2, 1)
        half = self.b1(torch.cat((self.level1(x), small), 1))
        y = self.level2_0(half)
        quarter = self.b2(torch.cat((self.level2(y), y, F.avg_pool2d(small, 3, 2, 1)), 1))
        z = self.level3_0(quarter)
        return half, quarter, self.classifier(self.b3(torch.cat((z, self.level3(z)), 1)))


class _Pyramid(nn.Module):
    """The ESP module: one reduction, five dilated convolutions of it, added up one after the other."""

    def __init__(self, inputs: int, outputs: int, down: bool = False, residual: bool = True) -> None:
        super().__init__()
        width = outputs // 5
        self.c1 = _Bare(inputs, width, 3, stride=2) if down else _Bare(inputs, width, 1)
        self.d1 = _Bare(width, outputs - 4 * width, 3)
        self.d2, self.d4, self.d8, self.d16 = (_Bare(width, width, 3, dilation=d) for d in (2, 4, 8, 16))
        # The published weights have the normalisation of a reducing module one level higher.
        self.bn = nn.BatchNorm2d(outputs, eps=_EPSILON) if down else _Normalised(outputs)
        self.act = nn.PReLU(outputs) if down else nn.Identity()
        self.residual = residual and not down

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.c1(x)
        parts = [self.d1(reduced), self.d2(reduced)]
        for convolution in (self.d4, self.d8, self.d16):
            parts.append(parts[-1] + convolution(reduced))
        y = torch.cat(parts, 1)
        found: Tensor = self.act(self.bn(x + y if self.residual else y))
        return found


class _Bare(nn.Module):
    """A convolution alone, which the published weights keep under a name of its own."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 * dilation, dilation, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(x)
        return found


class _Normalised(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn, self.act = nn.BatchNorm2d(channels, eps=_EPSILON), nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.act(self.bn(x))
        return found


class _Convolved(_Normalised):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(outputs)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.conv(x))


def _doubled(channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels, channels, 2, 2, bias=False)
