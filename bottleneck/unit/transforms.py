"""What a codec is given of a feature: the feature itself, a unit's symbols, or a unit's latent.

AsIs      feature ──────────────────────────────────────► coded    channels first
EachAsIs  vector ──► several tensors ──► one vector ──────► coded    each channels first
Symbols   feature ──► encoder ──► latent ──► quantizer ──► coded    int32
Latent    feature ──► encoder ──► latent ────────────────► coded    float32, for codecs that quantise
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from bottleneck import codecs
from bottleneck.codecs import Codec
from bottleneck.layouts import Layout, Part, apart, together
from bottleneck.unit.base import Unit
from bottleneck.unit.quantizer import NEAREST


class Transform(Protocol):
    """From features to what is coded, and back."""

    def coded(self, feature: Tensor) -> Tensor:
        """What the codec is given, one entry for each sample of the batch."""

    def restored(self, coded: Tensor) -> Tensor:
        """The features, from what the codec gives back."""

    def coded_shape(self, feature_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what is coded for one feature of this shape.

        Raises:
            ValueError: If no such feature is taken.
        """


class AsIs:
    """The feature itself, channels first, as codecs expect of their arrays.

    Args:
        layout: The feature's.
    """

    def __init__(self, layout: str = "CHW"):
        self.layout = Layout(layout)

    def coded(self, feature: Tensor) -> Tensor:
        return self.layout.channels_first(feature)

    def restored(self, coded: Tensor) -> Tensor:
        return self.layout.channels_back(coded)

    def coded_shape(self, feature_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.layout.shape_channels_first(feature_shape)


class EachAsIs:
    """Several tensors that are sent together, each channels first.

    Args:
        parts: What lies in a feature, which is a vector.
    """

    def __init__(self, parts: Sequence[Part]):
        self._layouts = [part.layout for part in parts]
        self._shapes = [part.shape for part in parts]

    def coded(self, feature: Tensor) -> Tensor:
        tensors = zip(self._layouts, apart(feature, self._shapes), strict=True)
        return together(layout.channels_first(tensor) for layout, tensor in tensors)

    def restored(self, coded: Tensor) -> Tensor:
        shapes = [
            layout.shape_channels_first(shape)
            for layout, shape in zip(self._layouts, self._shapes, strict=True)
        ]
        tensors = zip(self._layouts, apart(coded, shapes), strict=True)
        return together(layout.channels_back(tensor) for layout, tensor in tensors)

    def coded_shape(self, feature_shape: tuple[int, ...]) -> tuple[int, ...]:
        return feature_shape


class Latent:
    """A unit's latent before its quantizer.

    Args:
        unit: Trained.
    """

    def __init__(self, unit: Unit):
        self.unit = unit

    @torch.no_grad()
    def coded(self, feature: Tensor) -> Tensor:
        return self.unit.encode(feature)

    @torch.no_grad()
    def restored(self, coded: Tensor) -> Tensor:
        return self.unit.decode(coded)

    def coded_shape(self, feature_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.unit.latent_shape_of(feature_shape)


class Symbols(Latent):
    """A unit's integers.

    Args:
        unit: Trained.
        offset: How its latent is rounded; see `Quantizer`.
    """

    def __init__(self, unit: Unit, offset: float = NEAREST):
        super().__init__(unit)
        self.offset = offset

    def coded(self, feature: Tensor) -> Tensor:
        return self.unit.symbols(feature, self.offset)

    def restored(self, coded: Tensor) -> Tensor:
        return self.unit.reconstruct(coded)


def latent_codec(shapes: Sequence[tuple[int, ...]], name: str, **options: Any) -> Codec:
    """A codec for a unit's symbols, or for its latent, without tables yet.

    Args:
        shapes: The unit's `latent_shapes`.
        name: Of the codec.
        options: Of the codec.

    Raises:
        ValueError: If the codec is unknown, or codes something else.
    """
    codec = codecs.for_parts(shapes, name, **options)
    if codec.input not in ("symbols", "feature"):
        raise ValueError(
            f"codec {name!r} codes {codec.input}, a bottleneck sends symbols or its latent. "
            f"Choose from {codecs.names('symbols') + codecs.names('feature')}."
        )
    return codec


def transform_for(unit: Unit, codec: Codec) -> Latent:
    """What a codec codes of a unit.

    Raises:
        ValueError: If the codec codes pixels.
    """
    match codec.input:
        case "symbols":
            return Symbols(unit)
        case "feature":
            return Latent(unit)
    raise ValueError(
        f"codec {codec.name!r} codes {codec.input}; a unit has symbols, or features for a codec."
    )
