"""Rounding to a step, with a gradient that ignores the rounding.

    latent y ──► symbols = round(y / Q) ──► y_hat = Q · symbols

Ties round to even, as in IEEE arithmetic and in the paper. A device may round more values towards zero, by an
offset below one half: fewer bytes, nothing trained anew, and the server need not know.

Source: Datta et al., ICPR 2022; see also the straight-through estimator of Bengio et al., arXiv:1308.3432.
"""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

NEAREST = 0.5  # the offset of plain rounding
_INT32_LIMIT = 2**31


class DivergedError(ValueError):
    """There are no symbols: what makes the latent, or its steps, has diverged, or a step is far too small."""


def check_step(step: Any) -> None:
    """Refuse what is no quantization step.

    Raises:
        ValueError: Then.
    """
    if not isinstance(step, numbers.Real) or not 0 < float(step) < math.inf:
        raise ValueError(f"unit.step={step} is no quantization step. Give a positive finite number.")


class _RoundToStep(torch.autograd.Function):
    """`Q * round(y / Q)` forward, identity backward."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor, step: float) -> Tensor:
        return torch.round(latent / step) * step

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class Quantizer(nn.Module):
    """Uniform quantizer with step Q and a straight-through gradient.

    Args:
        step: Distance Q between two reconstruction values; positive. Several: one for each latent channel.

    Raises:
        ValueError: If a step is not a positive finite number.
    """

    steps: Tensor

    def __init__(self, step: float | Sequence[float]):
        super().__init__()
        steps = tuple(step) if isinstance(step, Sequence) else (step,)
        for each in steps:
            check_step(each)
        self.step: Any = steps if isinstance(step, Sequence) else float(step)
        if isinstance(step, Sequence):
            self.register_buffer("steps", torch.tensor(steps), persistent=False)

    def step_for(self, latent: Tensor) -> float | Tensor:
        """The step, or those of a latent's channels, shaped as it is, `(C_r, 1, ...)`."""
        if isinstance(self.step, float):
            return self.step
        return self.steps.reshape(-1, *[1] * (latent.dim() - 2))

    def forward(self, latent: Tensor) -> Tensor:
        """Quantized latent, same shape; |y_hat - y| <= Q / 2. The gradient passes unchanged."""
        step = self.step_for(latent)
        if isinstance(step, Tensor):  # which may be learned, so that it has a gradient as well
            found: Tensor = _RoundToStep.apply(latent / step, 1.0) * step
        else:
            found = _RoundToStep.apply(latent, step)
        return found

    def symbols(self, latent: Tensor, offset: float = NEAREST) -> Tensor:
        """The integers that are entropy-coded: int32, same shape.

        Args:
            latent: Before quantization.
            offset: What is added to a magnitude, in steps, before its fraction is dropped.

        Raises:
            DivergedError: If the latent holds NaN, infinity or a value beyond the range of int32 symbols.
            ValueError: If the offset is not between 0 and 0.5.
        """
        symbols = self.rounded(latent.detach(), offset)
        if not bool((symbols.abs() < _INT32_LIMIT).all()):  # also false for NaN
            raise DivergedError(
                "The latent holds NaN, infinity or a value beyond 2^31 steps, so it has no symbols. "
                "Training diverged: lower the optimizer's lr (optimizer.lr). Or "
                f"unit.step={self.step} is far too small."
            )
        return symbols.to(torch.int32)

    def rounded(self, latent: Tensor, offset: float = NEAREST) -> Tensor:
        """Symbols as floating-point numbers, unchecked; for graphs that may not look at their data."""
        if not 0 <= offset <= NEAREST:
            raise ValueError(f"offset={offset} must be from 0 (every fraction dropped) to 0.5 (the nearest).")
        scaled = latent / self.step_for(latent)
        return torch.round(scaled) if offset == NEAREST else scaled.sign() * (scaled.abs() + offset).floor()

    def values(self, symbols: Tensor) -> Tensor:
        """The quantized latent that symbols stand for, float32."""
        return symbols.to(torch.float32) * self.step_for(symbols)

    def extra_repr(self) -> str:
        return f"step={self.step}"
