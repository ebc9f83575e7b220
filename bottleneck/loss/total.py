"""The loss that every training of a unit shares.

    latent ──► rate ──────────────────┐
    output ──► objective or task ─────┴──► rate + alpha · task, sample by sample ──► mean over the batch

Source: Datta et al., ICPR 2022.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bottleneck.loss.drop import DropTarget
from bottleneck.loss.rates import NoRate, Rate
from bottleneck.loss.target import ByteTarget
from bottleneck.unit import UnitOutput

_ROUNDING = 0.35  # bytes by which a payload of whole bytes is longer than its bits, on average


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
        target: What is wanted, bytes or a drop of the metric: it says what the rate costs in place of 1.

    Raises:
        ValueError: If alpha is negative or no number, or the rate does not serve the target.
    """

    def __init__(self, rate: Rate, alpha: float, target: ByteTarget | DropTarget | None = None):
        super().__init__()
        self.rate = rate
        self.alpha = check_alpha(alpha)
        if isinstance(target, ByteTarget) and not rate.in_bits:
            raise ValueError("target_bytes= needs a rate in bits: use rate=density.")
        if isinstance(target, DropTarget) and isinstance(rate, NoRate):
            raise ValueError("target_drop= needs a rate whose price can adapt: use rate=density, or l1.")
        self.target = target

    def forward(self, outputs: Sequence[UnitOutput], task: Tensor) -> Terms:
        """The loss of a batch.

        Args:
            outputs: What the unit made of it; several where a sample sends several, whose rates add up.
            task: Loss of each sample, `(b,)`, or their mean.
        """
        rate = torch.stack([self.rate(output).mean() for output in outputs]).sum()
        task = task.mean()
        return Terms(self.price * rate + self.alpha * task, rate, task)

    @property
    def price(self) -> float:
        """What a unit of the rate costs."""
        match self.target:
            case ByteTarget(price=price):
                return price * self.rate.pixels / 8
            case DropTarget(price=price):
                return price
        return 1.0

    def weighing(self, alpha: float) -> "Loss":
        """The same rate and target with another weight of the task."""
        return Loss(self.rate, alpha, self.target)

    def steer(self, output: UnitOutput, progress: float) -> None:
        """After a training step, let the price follow a target of bytes, if there is one.

        Args:
            output: What the unit made in that step.
            progress: Share of the training that is done.
        """
        if isinstance(self.target, ByteTarget):
            bits = self.rate.sent(output).mean().item() * self.rate.pixels
            self.target.update(bits / 8 + _ROUNDING, progress)

    def weigh(self, sent: float) -> None:
        """Tell a target of bytes, if there is one, what images really take; see `steer`."""
        if isinstance(self.target, ByteTarget):
            self.target.weigh(sent)

    def judge(self, drop: float, progress: float) -> None:
        """After a validation, let the price follow a target of the metric, if there is one; see `steer`."""
        if isinstance(self.target, DropTarget):
            self.target.update(drop, progress)

    def steering(self) -> list[dict[str, float]]:
        """Where the target has come to, for a checkpoint; nothing without one."""
        return [] if self.target is None else [self.target.state()]

    def load_steering(self, states: Sequence[Mapping[str, float]]) -> None:
        """Go on from what `steering` said of a target of the same kind; of no other a price is known."""
        if self.target is not None and states and states[0].keys() == self.target.state().keys():
            self.target.load_state(states[0])


def check_alpha(alpha: float, key: str = "alpha") -> float:
    """Alpha as a float.

    Args:
        alpha: What was given.
        key: As what.

    Raises:
        ValueError: If it is negative or no number.
    """
    try:
        value = float(alpha)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0 <= value < float("inf") or isinstance(alpha, (str, bool)):
        raise ValueError(f"{key}={alpha!r} must be a number of at least 0.")
    return value
