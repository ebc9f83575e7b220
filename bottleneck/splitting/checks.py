"""Whether a graph is the network: both on the user's example and on a random image, together and apart."""

from typing import Any

import torch
from torch import Tensor

from bottleneck.splitting.outputs import tensors_in


def probe_batch(example: Tensor) -> Tensor:
    """Two samples: the example's first, and a random one of the same shape, type and range.

    Zeros, which examples often are, would hide whatever a graph forgets between layers without biases.

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
    elif low == high:
        drawn = torch.randn(first.shape, generator=generator)
    else:
        drawn = low + (high - low) * torch.rand(first.shape, generator=generator)
    return torch.cat([first, drawn.to(first.device, first.dtype)])


def difference(outputs: Any, expected: Any) -> str | None:
    """What differs between two outputs, beyond rounding; `None` where nothing does."""
    if type(outputs) is not type(expected):
        return f"it returns a {type(outputs).__name__}, the network a {type(expected).__name__}"
    ours, theirs = tensors_in(outputs), tensors_in(expected)
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


def close(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two tensors of one shape are equal up to rounding, on the scale of the largest value."""
    if not theirs.is_floating_point():
        return bool(torch.equal(ours, theirs))
    finite = theirs[theirs.isfinite()].double().abs()
    scale = finite.max().item() if finite.numel() else 0.0
    share = 1e-3 if theirs.dtype in (torch.float32, torch.float64) else 3e-2
    return torch.allclose(ours.double(), theirs.double(), rtol=0.0, atol=share * scale, equal_nan=True)


def is_batched(outputs: Any, samples: int) -> bool:
    """Whether an output's tensors have one entry for each sample of a batch."""
    tensors = tensors_in(outputs)
    return bool(tensors) and all(tensor.ndim and len(tensor) == samples for tensor in tensors)


def sample_of(outputs: Any, index: int) -> Any:
    """One sample of a batched output, as a list of its tensors with a batch of one."""
    return [tensor[index : index + 1] for tensor in tensors_in(outputs)]
