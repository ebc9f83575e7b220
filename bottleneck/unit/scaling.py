"""Units that see features in units of each channel's deviation, and whose latent begins at a known scale.

    feature ─► standardised ─► encoder ─► latent ─► quantizer ─► decoder ─► at the network's scale ─► feature'

A unit that begins so is trained in a fraction of the steps: the quantizer neither rounds everything to zero
nor leaves it at hundreds of symbols.
"""

from typing import Any, Self

import torch
from torch import Tensor, nn

from bottleneck.layouts import Layout
from bottleneck.unit.maps import MapUnit

_START = 2.0  # deviation of an untrained latent, in steps of the quantizer


class Standardised(nn.Module):
    """Each channel less its mean, over its deviation.

    Args:
        channels: Channels C.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("deviation", torch.ones(channels, 1, 1))

    @torch.no_grad()
    def measure(self, features: Tensor) -> None:
        """Take mean and deviation from features, `(b, C, H, W)`."""
        self.mean.copy_(features.mean((0, 2, 3))[:, None, None])
        deviation = features.std((0, 2, 3), correction=0)[:, None, None]
        # A channel that hardly varies is not blown up.
        self.deviation.copy_(deviation.clamp_min(float(1e-3 * deviation.max().clamp_min(1e-12))))

    def forward(self, feature: Tensor) -> Tensor:
        return (feature - self.mean) / self.deviation


class Restored(Standardised):
    """The way back from `Standardised`."""

    def forward(self, feature: Tensor) -> Tensor:
        return feature * self.deviation + self.mean


class ScaledUnit(MapUnit):
    """A unit for feature maps that begins at the features' scale; see `MapUnit` for what is not said here.

    A subclass sets `encoder` to a sequence that begins with `Standardised` and ends in a convolution with
    bias, and `decoder` to one with `Restored` in it.
    """

    @classmethod
    def from_features(cls, features: Tensor, layout: str, activation: str = "auto", **options: Any) -> Self:
        """A unit that fits a batch of feature maps, whose scale it takes; see `MapUnit.from_features`."""
        unit = super().from_features(features, layout, activation, **options)
        unit._begin(Layout(layout).channels_first(features))
        return unit

    @torch.no_grad()
    def _begin(self, features: Tensor) -> None:
        """Give both halves the features' scale, and the latent mean 0 and two steps of deviation."""
        assert isinstance(self.encoder, nn.Sequential)
        for layer in (*self.encoder.children(), *self.decoder.children()):
            if isinstance(layer, Standardised):
                layer.measure(features)
        last = self.encoder[-1]
        assert isinstance(last, nn.Conv2d), "an encoder ends in a convolution"
        assert last.bias is not None, "it has a bias"
        latent = self.encoder.train()(features)
        gain = _START * self.step / latent.std((0, 2, 3), correction=0).clamp_min(1e-6)
        last.weight.mul_(gain[:, None, None, None])
        last.bias.sub_(latent.mean((0, 2, 3))).mul_(gain)
