"""The loss that every training of a unit shares.

    latent ──► rate ──────────────────┐
    output ──► objective or task ─────┴──► rate + alpha · task, sample by sample ──► mean over the batch

Source: Datta et al., ICPR 2022.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bottleneck.loss.rates import Rate


class Terms(NamedTuple):
    """A batch's loss, and what it is made of, all of them means over the samples."""

    loss: Tensor
    rate: Tensor
    task: Tensor

    def logged(self, prefix: str) -> dict[str, Tensor]:
        """The terms as they are logged, by name."""
        named = {"loss": self.loss, "rate": self.rate, "task_loss": self.task}
        return {f"{prefix}{name}": value.detach() for name, value in named.items()}


class Loss(nn.Module):
    """`rate + alpha * task`.

    Args:
        rate: What is paid for the latent; what it learns is trained along with the unit.
        alpha: Weight of the task; larger: more rate, better task.

    Raises:
        ValueError: If alpha is negative or no number.
    """

    def __init__(self, rate: Rate, alpha: float):
        super().__init__()
        self.rate = rate
        self.alpha = check_alpha(alpha)

    def forward(self, latent: Tensor | Sequence[Tensor], task: Tensor) -> Terms:
        """The loss of a batch.

        Args:
            latent: Quantized, `(b, ...)`; several where a sample sends several, whose rates add up.
            task: Loss of each sample, `(b,)`, or their mean.
        """
        latents = [latent] if isinstance(latent, Tensor) else latent
        rate = torch.stack([self.rate(each).mean() for each in latents]).sum()
        task = task.mean()
        return Terms(rate + self.alpha * task, rate, task)


def check_alpha(alpha: float) -> float:
    """Alpha as a float.

    Raises:
        ValueError: If it is negative or no number.
    """
    try:
        value = float(alpha)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0 <= value < float("inf") or isinstance(alpha, (str, bool)):
        raise ValueError(f"alpha={alpha!r} must be a number of at least 0.")
    return value
