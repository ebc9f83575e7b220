"""What every unit is: an encoder, a quantizer and a decoder at one split point.

    feature ──► encoder ──► latent ──► quantizer ──► symbols ┄┄► values ──► decoder ──► feature'

A new kind is a subclass in a file of its own and an entry of `UNITS`; training, search, evaluation, bundles,
export and the plugin need no more.
"""

import inspect
import math
import numbers
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from bottleneck.codecs.checks import plain
from bottleneck.layouts import Layout
from bottleneck.unit.quantizer import NEAREST, Quantizer


class UnitOutput(NamedTuple):
    """What a unit computes.

    Attributes:
        feature: Reconstructed.
        latent: Quantized; its rate is paid.
        exact: The latent before its quantizer, for rates that need a gradient there.
    """

    feature: Tensor
    latent: Tensor
    exact: Tensor


def check_whole(option: str, value: Any) -> None:
    """Refuse what counts nothing, such as channels of a latent or pixels of a stride.

    Raises:
        ValueError: Naming the option.
    """
    if not isinstance(value, numbers.Real) or not 1 <= float(value) < math.inf or float(value) % 1:
        raise ValueError(f"unit.{option}={value} must be a whole number of at least 1.")


class Unit(nn.Module, ABC):
    """Encoder, quantizer and decoder for one split point.

    A subclass calls this constructor, then sets `feature_shape`, `latent_shape`, `encoder` and `decoder`. It
    keeps each argument of its own constructor as an attribute of the same name; `options` are read from them.

    Attributes:
        kind: Name in configurations, bundles and checkpoints.
        replaces: Whether it takes the place of the module at the split point, rather than standing behind it.
        layouts: Layouts of the features that it takes.
        feature_shape: Shape of one feature, in the network's own layout.
        latent_shape: Shape of one latent, channels first; the codec is made for it.
        encoder: From features with channels first, `(b, C, ...)`, to latents.
        decoder: From quantized latents to what the tail takes, channels first.
        losses: What of a quantized latent is lost while the unit trains; nothing, unless training says so.

    Args:
        channels: Channels C of the feature.
        latent_channels: Channels C_r of the latent; more: more rate, better task.
        stride: Downsampling S of the latent in each dimension.
        step: Quantization step Q; larger: less rate.
        size: Height and width (H, W) of the map that the stride divides.
        layout: The split point's layout.

    Raises:
        ValueError: If an argument is out of range; the message names its configuration key.
    """

    kind: ClassVar[str]
    replaces: ClassVar[bool] = False
    layouts: ClassVar[tuple[str, ...]]
    feature_shape: tuple[int, ...]
    latent_shape: tuple[int, ...]
    encoder: nn.Module
    decoder: nn.Module

    def __init__(
        self,
        channels: int,
        latent_channels: int,
        stride: int,
        step: float,
        size: tuple[int, int],
        layout: str,
    ):
        super().__init__()
        check_whole("latent_channels", latent_channels)
        check_whole("stride", stride)
        self.check_layout(layout)
        self.channels, self.latent_channels, self.stride = channels, latent_channels, stride
        self.size = (size[0], size[1])
        self.layout = Layout(layout)
        self.quantizer = Quantizer(step)
        self.losses: nn.Module = nn.Identity()

    @classmethod
    def check_layout(cls, layout: str, shape: tuple[int, ...] | None = None) -> None:
        """Refuse features that this kind of unit cannot take.

        Raises:
            ValueError: Naming the layout and the alternatives.
        """
        if layout not in cls.layouts:
            shown = f" and shape {shape}" if shape else ""
            raise ValueError(
                f"The feature at this split point has layout {layout}{shown}; a unit of kind "
                f"{cls.kind!r} takes {' or '.join(cls.layouts)}. Choose another split point (`bottleneck "
                "profile` lists them), or unit=tokens for the token sequences (LC) of a ViT."
            )

    @classmethod
    @abstractmethod
    def from_features(cls, features: Tensor, layout: str, **options: Any) -> Self:
        """A unit that fits a batch of features.

        Args:
            features: A few of the head's outputs, `(b, ...)`.
            layout: The split point's layout.
            options: The arguments of the constructor that do not follow from the features.

        Raises:
            ValueError: If this kind of unit does not take such features, or an option is out of range.
        """

    @property
    def latent_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the latents that lie behind each other in `latent_shape`; one, but in a `UnitSet`."""
        return (self.latent_shape,)

    @property
    def step(self) -> Any:
        """The quantization step Q, or a tuple of those of the latent's channels."""
        return self.quantizer.step

    def coarsen(self, factor: float) -> None:
        """Multiply the quantization step, or those of all latent channels; the weights stay as they are."""
        if isinstance(self.step, float):
            self.quantizer = Quantizer(factor * self.step)
        else:
            device = self.quantizer.steps.device
            self.quantizer = Quantizer([factor * own for own in self.step]).to(device)

    @property
    def options(self) -> dict[str, Any]:
        """The kind and the constructor's arguments, JSON-able, from which `build` makes an equal unit."""
        names = inspect.signature(type(self)).parameters
        return {"kind": self.kind, **{name: plain(getattr(self, name)) for name in names}}

    def forward(self, feature: Tensor) -> UnitOutput:
        """Send features through the bottleneck, quantized, without coding them.

        Args:
            feature: The head's output, in the unit's layout.
        """
        exact = self.encode(feature)
        latent = self.quantizer(exact)
        return UnitOutput(self.decode(self.losses(latent)), latent, exact)

    def encode(self, feature: Tensor) -> Tensor:
        """The latent before quantization, `(b, *latent_shape)`.

        In float32 whatever the precision around it, so that symbols round in training as they do on a device.

        Raises:
            ValueError: If the feature has another shape than the unit was built for.
        """
        self.latent_shape_of(tuple(feature.shape[1:]))
        with torch.autocast(feature.device.type, enabled=False):
            found: Tensor = self.encoder(self.layout.channels_first(feature.float()))
        return found

    def latent_shape_of(self, feature_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the latent that a feature of this shape has; some units take maps of several sizes.

        Raises:
            ValueError: If the unit does not take such features.
        """
        if feature_shape != self.feature_shape:
            raise ValueError(
                f"This unit was built for features of {self.layout} {self.feature_shape}, "
                f"got {feature_shape}. Split with an example of the right size."
            )
        return self.latent_shape

    def decode(self, latent: Tensor) -> Tensor:
        """The feature from a quantized latent, in the unit's layout."""
        return self.layout.channels_back(self.decoder(latent))

    @torch.no_grad()
    def symbols(self, feature: Tensor, offset: float = NEAREST) -> Tensor:
        """The integers that are coded: int32, `(b, *latent_shape)`; see `Quantizer` for the offset."""
        return self.quantizer.symbols(self.encode(feature), offset)

    @torch.no_grad()
    def reconstruct(self, symbols: Tensor) -> Tensor:
        """The feature from symbols, on the server."""
        return self.decode(self.quantizer.values(symbols))
