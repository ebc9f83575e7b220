"""Ways to send a feature: what is made of it, and the codec that makes bytes of that.

    what the head gives ──► [network's module] ──► [unit] ──► codec ┄┄► codec ──► [unit] ──► feature'

The module is run where a unit may replace it (`SplitModel.replaced`) and this method has no such unit.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from bottleneck.codecs import Codec
from bottleneck.layouts import channels_back, channels_first
from bottleneck.splitting import SplitModel
from bottleneck.unit import Latents, Unit, transform_for

Batches = Iterable[tuple[Tensor, Any]]


class Transform(Protocol):
    """What stands between the feature and the codec."""

    def symbols(self, feature: Tensor) -> Tensor: ...

    def reconstruct(self, symbols: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Untransformed:
    """The feature itself is coded, channels first, as codecs expect of their arrays.

    Attributes:
        layout: The split point's layout.
    """

    layout: str = "CHW"

    def symbols(self, feature: Tensor) -> Tensor:
        return channels_first(feature, self.layout)

    def reconstruct(self, symbols: Tensor) -> Tensor:
        return channels_back(symbols, self.layout)


@dataclass
class Method:
    """One way to send a feature.

    Attributes:
        name: As in the results contract, such as `rle-4`.
        codec: Makes and reads the bytes.
        transform: A trained unit, or nothing.
    """

    name: str
    codec: Codec
    transform: Transform = field(default_factory=Untransformed)
    _reshaped: dict[tuple[int, ...], Codec] = field(default_factory=dict, repr=False)

    @classmethod
    def of_unit(cls, name: str, codec: Codec, unit: Unit) -> "Method":
        """A trained unit's symbols, or its latent where the codec quantises by itself."""
        return cls(name, codec, transform_for(unit, codec))

    @property
    def unit(self) -> Unit | None:
        """The trained unit, where there is one."""
        found = self.transform.unit if isinstance(self.transform, Latents) else self.transform
        return found if isinstance(found, Unit) else None

    @property
    def replaces(self) -> bool:
        """Whether it is given what enters the module at the cut, rather than the feature."""
        return self.unit is not None and self.unit.replaces

    def fit(self, features: Batches, net: SplitModel | None = None) -> None:
        """Fit the codec's tables on training features; a codec without tables reads none of them.

        Args:
            features: What the head gives, and targets.
            net: The split network, needed where a module is to be replaced (`SplitModel.replaced`).
        """
        with torch.no_grad():
            self.codec.fit(
                _as_shaped(array, self.codec.shape)
                for entry, _ in features
                for array in self.arrays(
                    entry if net is None or self.replaces else net.sent(net.feature(entry))
                )
            )

    def codec_for(self, shape: tuple[int, ...]) -> Codec:
        """The codec for a sample of this shape, which varies where images do."""
        if shape == self.codec.shape:
            return self.codec
        if shape not in self._reshaped:
            self._reshaped[shape] = self.codec.reshaped(shape)
        return self._reshaped[shape]

    def arrays(self, feature: Tensor) -> np.ndarray:
        """What is coded for a batch of features, one array per sample."""
        return self.transform.symbols(feature).cpu().numpy()

    def receive(self, arrays: np.ndarray, device: torch.device) -> Tensor:
        """The features that the server goes on with, from decoded arrays."""
        return self.transform.reconstruct(torch.from_numpy(arrays).to(device))


def _as_shaped(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A map of another height and width thinned out, or repeated, to a shape: its values are as frequent."""
    for axis in (1, 2) if array.shape != shape else ():
        picked = np.arange(shape[axis]) * array.shape[axis] // shape[axis]
        array = array.take(picked, axis)
    return array
