"""How the axes of a feature are read, and turned so that channels come first.

    CHW   maps                                     as they are
    HWC   maps with channels last (Swin)       ─►  C×H×W
    LC    sequences of tokens (ViT)            ─►  C×L

Any other layout is left as it is.
"""

from torch import Tensor

_TURNED = {"HWC": (2, 0, 1), "LC": (1, 0)}  # axes of one sample, channels first
_BACK = {"HWC": (1, 2, 0), "LC": (1, 0)}


def channels_first(features: Tensor, layout: str) -> Tensor:
    """A batch of features with channels behind the batch axis."""
    return _permuted(features, _TURNED.get(layout))


def channels_back(features: Tensor, layout: str) -> Tensor:
    """A batch of features with channels first, in its own layout again."""
    return _permuted(features, _BACK.get(layout))


def shape_channels_first(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """Shape of one sample of `layout`, channels first."""
    return tuple(shape[axis] for axis in _TURNED.get(layout, range(len(shape))))


def shape_in_layout(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """Shape of one sample in `layout`, from its shape with channels first."""
    return tuple(shape[axis] for axis in _BACK.get(layout, range(len(shape))))


def _permuted(features: Tensor, axes: tuple[int, ...] | None) -> Tensor:
    return features if axes is None else features.permute(0, *(1 + axis for axis in axes))
