"""Learning-rate schedules, stepped after every batch. The optimizer's `lr` is their peak.

The rate follows from the step and the length of the training alone. A resumed one takes over how far its
schedule has come, not how long it was: it may be longer.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR

Schedule = Callable[..., LRScheduler]


class _Resumable(LRScheduler):
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        gone = ("last_epoch", "_step_count", "_last_lr")
        super().load_state_dict({key: state_dict[key] for key in gone if key in state_dict})


class _OneCycle(_Resumable, OneCycleLR):
    pass


class _Cosine(_Resumable, CosineAnnealingLR):
    def get_lr(self) -> list[float | Tensor]:
        share = (1 + math.cos(math.pi * min(1.0, self.last_epoch / self.T_max))) / 2
        return [self.eta_min + (peak - self.eta_min) * share for peak in self.base_lrs]


class _Steps(_Resumable, MultiStepLR):
    def get_lr(self) -> list[float | Tensor]:
        passed = sum(step <= self.last_epoch for step in self.milestones.elements())
        return [peak * self.gamma**passed for peak in self.base_lrs]


def one_cycle(optimizer: Optimizer, total_steps: int, warm_up: float = 0.3) -> OneCycleLR:
    """Rise to the peak over the share `warm_up` of the steps, then fall to almost nothing.

    Raises:
        ValueError: If that is no share.
    """
    if not isinstance(warm_up, (int, float)) or not 0 <= warm_up <= 1:
        raise ValueError(f"scheduler.warm_up={warm_up} must be a share of the steps, 0 to 1.")
    peaks = [group["lr"] for group in optimizer.param_groups]
    return _OneCycle(optimizer, peaks, total_steps=total_steps, pct_start=float(warm_up))


def cosine(optimizer: Optimizer, total_steps: int, floor: float = 0.0) -> CosineAnnealingLR:
    """Fall from the peak to `floor` along half a cosine.

    Raises:
        ValueError: If that is no learning rate.
    """
    if not isinstance(floor, (int, float)) or not 0 <= floor < float("inf"):
        raise ValueError(f"scheduler.floor={floor} is no learning rate. Use 0 or more.")
    return _Cosine(optimizer, T_max=total_steps, eta_min=floor)


def steps(
    optimizer: Optimizer, total_steps: int, milestones: Sequence[float], factor: float = 0.1
) -> MultiStepLR:
    """Begin at the peak and multiply by `factor` after each of some shares of the steps.

    Raises:
        ValueError: If a milestone is no share, or the factor would turn learning around.
    """
    shares = all(isinstance(share, (int, float)) and 0 <= share <= 1 for share in milestones)
    if isinstance(milestones, str) or not shares:
        raise ValueError(f"scheduler.milestones={milestones} must be shares of the steps, 0 to 1.")
    if not 0 < factor < float("inf"):
        raise ValueError(f"scheduler.factor={factor} must be above 0.")
    return _Steps(optimizer, [round(share * total_steps) for share in milestones], factor)


def with_schedule(optimizer: Optimizer, schedule: Schedule | None, trainer: Any) -> Any:
    """What Lightning's `configure_optimizers` returns for a schedule over all batches of a training.

    Args:
        optimizer: The optimizer.
        schedule: Makes the schedule from `optimizer` and `total_steps`; `None`: the rate stays.
        trainer: Lightning's Trainer, which knows how many steps there will be.

    Raises:
        ValueError: If the training has no end, or no step.
    """
    if schedule is None:
        return optimizer
    steps = trainer.estimated_stepping_batches
    if not math.isfinite(steps):
        raise ValueError(
            "A learning-rate schedule needs a training that ends. Give the Trainer max_epochs or max_steps, "
            "or use scheduler=None."
        )
    if steps < 1:
        raise ValueError(
            "There is no batch of two training samples or more, so there is nothing to learn from. Use more "
            "of them: data.train_limit, data.holdout."
        )
    scheduler = schedule(optimizer, total_steps=int(steps))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
