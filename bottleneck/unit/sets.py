"""Several tensors that are sent together, such as the skips of a U-Net: a unit for each, one latent.

vector ─┬─► tensor ─► encoder ─► latent ─┐                  ┌─► latent' ─► decoder ─► tensor' ─┬─► vector'
        ├─► tensor ─► encoder ─► latent ─┼─► one vector ┄┄► ┼─► latent' ─► decoder ─► tensor' ─┤
        └─► tensor ─► encoder ─► latent ─┘                  └─► latent' ─► decoder ─► tensor' ─┘
"""

import math
from collections.abc import Sequence
from typing import Any, Self

from torch import Tensor, nn

from bottleneck.layouts import Part, apart, together
from bottleneck.unit.base import Unit


class UnitSet(Unit):
    """A unit for each of several tensors; its features and its latents are vectors that hold all of them.

    Its `size` is that of the smallest map, which every stride has to fit.

    Args:
        units: In the order of the tensors; they have the same quantization step.

    Raises:
        ValueError: If there are none, or their steps differ.
    """

    kind = "set"
    layouts = ("C",)

    def __init__(self, units: Sequence[Unit]):
        steps = {unit.step for unit in units}
        if len(steps) != 1:
            raise ValueError(f"unit.step={sorted(steps)}: tensors that are sent together have one step.")
        numbers, latents = (
            sum(math.prod(shape) for shape in shapes)
            for shapes in ([u.feature_shape for u in units], [u.latent_shape for u in units])
        )
        height, width = (min(unit.size[axis] for unit in units) for axis in (0, 1))
        super().__init__(numbers, latents, 1, steps.pop(), (height, width), "C")
        self.feature_shape, self.latent_shape = (numbers,), (latents,)
        self._options = [unit.options for unit in units]
        self._latent_shapes = tuple(unit.latent_shape for unit in units)
        self.encoder, self.decoder = _Encoders(units), _Decoders(units)

    @classmethod
    def from_features(
        cls,
        features: Tensor,
        layout: str,
        parts: Sequence[Part] = (),
        kind: type[Unit] = Unit,
        **options: Any,
    ) -> Self:
        """A set that fits a batch of vectors; see `Unit.from_features`.

        Args:
            features: `(b, n)`.
            layout: Of a vector.
            parts: The tensors that lie in a vector.
            kind: Of their units.
            options: Of their units; a list has one entry for each tensor.
        """
        cls.check_layout(layout, tuple(features.shape[1:]))
        each = [dict[str, Any]() for _ in parts]
        for name, value in options.items():
            several = isinstance(value, (list, tuple))
            if several and len(value) != len(parts):
                names = [part.name for part in parts]
                raise ValueError(
                    f"unit.{name}={list(value)} must be one value, or one for each of the tensors {names}."
                )
            for number, own in enumerate(each):
                own[name] = value[number] if several else value
        tensors = apart(features, [part.shape for part in parts])
        return cls(
            [
                kind.from_features(tensor, part.layout, **own)
                for tensor, part, own in zip(tensors, parts, each, strict=True)
            ]
        )

    @property
    def options(self) -> dict[str, Any]:
        """The kind, and the options of each unit."""
        return {"kind": self.kind, "units": [{**own, "step": self.step} for own in self._options]}

    @property
    def latent_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Those of the units."""
        return self._latent_shapes


class _Encoders(nn.Module):
    """From vectors of features to vectors of latents."""

    def __init__(self, units: Sequence[Unit]):
        super().__init__()
        self.each = nn.ModuleList(unit.encoder for unit in units)
        self._parts = [(unit.feature_shape, unit.layout) for unit in units]

    def forward(self, vectors: Tensor) -> Tensor:
        tensors = apart(vectors, [shape for shape, _ in self._parts])
        found = zip(self.each, self._parts, tensors, strict=True)
        return together(encoder(layout.channels_first(tensor)) for encoder, (_, layout), tensor in found)


class _Decoders(nn.Module):
    """From vectors of quantized latents to vectors of features."""

    def __init__(self, units: Sequence[Unit]):
        super().__init__()
        self.each = nn.ModuleList(unit.decoder for unit in units)
        self._parts = [(unit.latent_shape, unit.layout) for unit in units]

    def forward(self, vectors: Tensor) -> Tensor:
        latents = apart(vectors, [shape for shape, _ in self._parts])
        found = zip(self.each, self._parts, latents, strict=True)
        return together(layout.channels_back(decoder(latent)) for decoder, (_, layout), latent in found)
