"""What units for C×H×W maps have in common: the map's size, its layout and its sign."""

from typing import Any, Self

from torch import Tensor, nn

from bottleneck.layouts import Layout
from bottleneck.unit.base import Unit


class MapUnit(Unit):
    """A unit for feature maps; see `Unit` for what is not said here.

    Args:
        size: Height and width (H, W) of the feature.
        activation: Last activation of the decoder: `relu` where the feature is never negative, else `none`.
        layout: `CHW`, or `HWC` for networks that keep channels last (Swin).
    """

    layouts = ("CHW", "HWC")

    def __init__(
        self,
        channels: int,
        latent_channels: int,
        stride: int,
        step: float,
        size: tuple[int, int],
        activation: str,
        layout: str,
    ):
        super().__init__(channels, latent_channels, stride, step, size, layout)
        if activation not in ("relu", "none"):
            raise ValueError(f"unit.activation={activation!r} is unknown. Choose 'relu', 'none' or 'auto'.")
        self.activation = activation
        self.feature_shape = self.layout.shape_back((channels, *self.size))

    @classmethod
    def from_features(cls, features: Tensor, layout: str, activation: str = "auto", **options: Any) -> Self:
        """A unit that fits a batch of feature maps; see `Unit.from_features`.

        Args:
            features: `(b, C, H, W)`, or `(b, H, W, C)` for layout `HWC`.
            layout: The split point's layout.
            activation: `auto` takes `relu` where no feature is negative and `none` elsewhere.
            options: The other arguments of the constructor.
        """
        cls.check_layout(layout, tuple(features.shape[1:]))
        _, channels, height, width = Layout(layout).channels_first(features).shape
        if activation == "auto":
            activation = "relu" if bool((features >= 0).all()) else "none"
        return cls(channels=channels, size=(height, width), layout=layout, activation=activation, **options)

    def last_activation(self) -> nn.Module:
        """The decoder's last layer."""
        return nn.ReLU() if self.activation == "relu" else nn.Identity()
