"""How the axes of a feature are read, and turned so that channels come first.

    CHW   maps                                     as they are
    HWC   maps with channels last (Swin)       ─►  C×H×W
    LC    sequences of tokens (ViT)            ─►  C×L

Any other layout is left as it is. Several tensors that are sent together lie behind each other in one vector
for each sample; who needs them apart knows their shapes (`Part`).
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_TURNED = {"HWC": (2, 0, 1), "LC": (1, 0)}  # axes of one sample, channels first
_BACK = {"HWC": (1, 2, 0), "LC": (1, 0)}


class Layout(str):
    """The names of one sample's axes in their order, such as `CHW`; a string in files and configurations.

    Split points and watched layers carry theirs, so that nobody has to guess which axis is which.
    """

    __slots__ = ()

    @property
    def channel_axis(self) -> int:
        """Axis of the channels in a batch; the first behind the batch's own where nothing is known."""
        return 1 + max(0, self.find("C"))

    def channels_first(self, batch: Tensor) -> Tensor:
        """A batch of features with channels behind the batch axis."""
        return _permuted(batch, _TURNED.get(self))

    def channels_back(self, batch: Tensor) -> Tensor:
        """A batch of features with channels first, in this layout again."""
        return _permuted(batch, _BACK.get(self))

    def shape_channels_first(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one sample of this layout, channels first."""
        return tuple(shape[axis] for axis in _TURNED.get(self, range(len(shape))))

    def shape_back(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one sample in this layout, from its shape with channels first."""
        return tuple(shape[axis] for axis in _BACK.get(self, range(len(shape))))


class Part(NamedTuple):
    """One of several tensors that are sent together.

    Attributes:
        name: Of the module whose output it is.
        shape: Of one sample.
        layout: How its axes are read.
    """

    name: str
    shape: tuple[int, ...]
    layout: Layout


def together(tensors: Iterable[Tensor]) -> Tensor:
    """Several batches of tensors, `(b, ...)` each, as one vector for each sample, `(b, n)`."""
    return torch.cat([tensor.flatten(1) for tensor in tensors], 1)


def apart(vectors: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """The inverse of `together`, for tensors of these shapes of one sample."""
    found = vectors.split([math.prod(shape) for shape in shapes], 1)
    return [vector.unflatten(1, shape) for vector, shape in zip(found, shapes, strict=True)]


def _permuted(batch: Tensor, axes: tuple[int, ...] | None) -> Tensor:
    return batch if axes is None else batch.permute(0, *(1 + axis for axis in axes))
