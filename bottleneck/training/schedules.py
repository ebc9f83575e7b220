"""Learning-rate schedules, stepped after every batch. The optimizer's `lr` is their peak."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR

Schedule = Callable[..., LRScheduler]


def one_cycle(optimizer: Optimizer, total_steps: int, warm_up: float = 0.3) -> OneCycleLR:
    """Rise to the peak over the share `warm_up` of the steps, then fall to almost nothing."""
    peaks = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, peaks, total_steps=total_steps, pct_start=warm_up)


def cosine(optimizer: Optimizer, total_steps: int, floor: float = 0.0) -> CosineAnnealingLR:
    """Fall from the peak to `floor` along half a cosine."""
    return CosineAnnealingLR(optimizer, T_max=total_steps, eta_min=floor)


def steps(
    optimizer: Optimizer, total_steps: int, milestones: Sequence[float], factor: float = 0.1
) -> MultiStepLR:
    """Begin at the peak and multiply by `factor` after each of some shares of the steps."""
    return MultiStepLR(optimizer, [round(share * total_steps) for share in milestones], factor)


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
