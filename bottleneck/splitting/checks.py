"""Whether a graph is the network: both on the user's example and on a random image, together and apart."""

from typing import Any

import torch
from torch import Tensor

from bottleneck.splitting.outputs import tensors_in

_SANE = 1e6  # pixels, raw or normalised, lie within


def probe_batch(example: Tensor) -> Tensor:
    """Two samples: the example's first, and a random one of the same shape, type and range.

    Zeros, which examples often are, would hide whatever a graph forgets between layers without biases, and
    what `torch.empty` leaves, whatever it computes.

    Args:
        example: A batch of inputs, `(b, ...)`.
    """
    first = example[:1]
    generator = torch.Generator().manual_seed(0)
    low, high = (first.min().item(), first.max().item()) if first.numel() else (0, 0)
    if first.dtype == torch.bool:
        drawn = torch.rand(first.shape, generator=generator) < 0.5
    elif first.dtype == torch.uint8:
        drawn = torch.randint(0, 256, first.shape, generator=generator)
    elif not first.is_floating_point():
        drawn = torch.randint(int(low), int(high) + 1, first.shape, generator=generator)
    elif not -_SANE < low < high < _SANE:
        drawn = torch.randn(first.shape, generator=generator)
    else:
        drawn = low + (high - low) * torch.rand(first.shape, generator=generator)
    return torch.cat([first, drawn.to(first.device, first.dtype)])


def difference(outputs: Any, expected: Any) -> str | None:
    """What differs between two outputs, beyond rounding; `None` where nothing does."""
    if type(outputs) is not type(expected):
        return f"it returns a {type(outputs).__name__}, the network a {type(expected).__name__}"
    ours, theirs = _numbers_in(outputs), _numbers_in(expected)
    if len(ours) != len(theirs):
        return f"it returns {len(ours)} tensors, the network {len(theirs)}"
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one.shape != other.shape or one.dtype != other.dtype:
            return (
                f"tensor {number} of its output is {one.dtype} {tuple(one.shape)}, "
                f"the network's {other.dtype} {tuple(other.shape)}"
            )
        if not close(one, other):
            worst = (one.double() - other.double()).abs().nan_to_num(torch.inf).max().item()
            return (
                f"tensor {number} of its output is off by {worst:.3g} where the network's reaches "
                f"{other.double().abs().nan_to_num().max().item():.3g}"
            )
    return None


def _numbers_in(value: Any) -> list[Tensor]:
    """The tensors in a value, complex ones as two real numbers each."""
    return [torch.view_as_real(one) if one.is_complex() else one for one in tensors_in(value)]


def close(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two tensors of one shape are equal up to rounding, on the scale of the largest value."""
    if not theirs.is_floating_point():
        return bool(torch.equal(ours, theirs))
    finite = theirs[theirs.isfinite()].double().abs()
    scale = finite.max().item() if finite.numel() else 0.0
    share = 1e-3 if theirs.dtype in (torch.float32, torch.float64) else 3e-2
    return torch.allclose(ours.double(), theirs.double(), rtol=0.0, atol=share * scale, equal_nan=True)


def influence(together: Any, alone: Any) -> str | None:
    """How a sample's output changes with the samples beside it; `None` where it does not.

    Args:
        together: What a network returns for two samples.
        alone: What it returns for the second. Tensors that do not differ in size are of no one sample.
    """
    ours, theirs = tensors_in(together), tensors_in(alone)
    if len(ours) != len(theirs):
        return None  # a list of what was found in each image
    second, wanted = [], []
    for both, one in zip(ours, theirs, strict=True):
        axes = [axis for axis, size in enumerate(both.shape) if (size, *one.shape[axis : axis + 1]) == (2, 1)]
        if len(axes) == 1:
            second.append(both.narrow(axes[0], 1, 1))
            wanted.append(one)
    return difference(second, wanted)
