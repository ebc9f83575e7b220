"""The losses of one unit at several rates: one density, and for each rate its own target of bytes."""

from collections.abc import Mapping, Sequence
from typing import Self

from torch import Tensor, nn

from bottleneck.loss.rates import Rate
from bottleneck.loss.total import Loss, Terms
from bottleneck.unit import UnitOutput


class SeveralLosses(nn.Module):
    """One loss for each rate, of which one is meant at a time; see `Loss`.

    Attributes:
        current: Which of them.

    Args:
        losses: From the dearest rate to the cheapest.
    """

    def __init__(self, losses: Sequence[Loss]):
        super().__init__()
        self.losses: Sequence[Loss] = nn.ModuleList(losses)  # type: ignore[assignment]
        self.current = 0

    @property
    def rate(self) -> Rate:
        """What is paid for the latent."""
        return self.losses[self.current].rate

    def forward(self, outputs: Sequence[UnitOutput], task: Tensor) -> Terms:
        terms: Terms = self.losses[self.current](outputs, task)
        return terms

    def weighing(self, alpha: float) -> Self:
        """The same rates and targets with another weight of the task."""
        return type(self)([loss.weighing(alpha) for loss in self.losses])

    def judge(self, drop: float, progress: float) -> None:
        """Targets are of bytes, so a validation moves no price."""

    def steer(self, output: UnitOutput, progress: float) -> None:
        """After a training step, let the price of this rate follow its target."""
        self.losses[self.current].steer(output, progress)

    def steering(self) -> list[dict[str, float]]:
        """Where the targets have come to, for a checkpoint."""
        return [state for loss in self.losses for state in loss.steering()]

    def load_steering(self, states: Sequence[Mapping[str, float]]) -> None:
        """Go on from what `steering` said."""
        for loss, state in zip(self.losses, states, strict=False):
            loss.load_steering([state])
