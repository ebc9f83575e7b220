"""Learning-rate schedules, stepped after every batch. The optimizer's `lr` is their peak."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR


def one_cycle(optimizer: Optimizer, total_steps: int, warm_up: float = 0.3) -> OneCycleLR:
    """Rise to the peak over the share `warm_up` of the steps, then fall to almost nothing."""
    peaks = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, peaks, total_steps=total_steps, pct_start=warm_up)


def cosine(optimizer: Optimizer, total_steps: int, floor: float = 0.0) -> CosineAnnealingLR:
    """Fall from the peak to `floor` along half a cosine."""
    return CosineAnnealingLR(optimizer, T_max=total_steps, eta_min=floor)
