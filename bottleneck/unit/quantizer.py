"""Rounding to a step, with a gradient that ignores the rounding.

    latent y ──► symbols = round(y / Q) ──► y_hat = Q · symbols

Ties round to even, as in IEEE arithmetic and in the paper.

Source: Datta et al., ICPR 2022; see also the straight-through estimator of Bengio et al., arXiv:1308.3432.
"""

from typing import Any

import torch
from torch import Tensor, nn

_INT32_LIMIT = 2**31


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
        step: Distance Q between two reconstruction values; positive.

    Raises:
        ValueError: If the step is not a positive finite number.
    """

    def __init__(self, step: float):
        super().__init__()
        if not 0 < step < float("inf"):
            raise ValueError(f"unit.step={step} is no quantization step. Give a positive finite number.")
        self.step = float(step)

    def forward(self, latent: Tensor) -> Tensor:
        """Quantized latent, same shape; |y_hat - y| <= Q / 2. The gradient passes unchanged."""
        found: Tensor = _RoundToStep.apply(latent, self.step)
        return found

    def symbols(self, latent: Tensor) -> Tensor:
        """The integers that are entropy-coded: int32, same shape.

        Raises:
            ValueError: If the latent holds NaN, infinity or a value beyond the range of int32 symbols.
        """
        symbols = self.rounded(latent.detach())
        if not bool((symbols.abs() < _INT32_LIMIT).all()):  # also false for NaN
            raise ValueError(
                "The latent holds NaN, infinity or a value beyond 2^31 steps, so it has no symbols. "
                f"Training diverged, or unit.step={self.step} is far too small."
            )
        return symbols.to(torch.int32)

    def rounded(self, latent: Tensor) -> Tensor:
        """Symbols as floating-point numbers, unchecked; for graphs that may not look at their data."""
        return torch.round(latent / self.step)

    def values(self, symbols: Tensor) -> Tensor:
        """The quantized latent that symbols stand for, float32."""
        return symbols.to(torch.float32) * self.step

    def extra_repr(self) -> str:
        return f"step={self.step}"
