"""A cheap beginning: match the frozen feature before anything is sent through the tail.

    feature ──► unit ──► feature'        loss = rate(latent) + alpha · error(feature', feature)

An epoch of this costs what the unit costs, a small fraction of an epoch through the tail.
"""

from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from bottleneck.objectives import relative_error
from bottleneck.rate import L1Rate
from bottleneck.schedules import Schedule, with_schedule
from bottleneck.unit import Unit


class WarmStart(LightningModule):
    """Train a unit to reproduce features. Batches are `(features, targets)`; targets are not read.

    Args:
        unit: What is trained.
        rate: What is paid for the latent.
        alpha: Weight of the error, see `relative_error`.
        pixels: Pixels of the image that enters the head.
        optimizer: Makes an optimizer from parameters.
        scheduler: Makes a schedule from `optimizer` and `total_steps`, stepped after every batch.
    """

    def __init__(
        self,
        unit: Unit,
        rate: L1Rate,
        alpha: float,
        pixels: int,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Schedule,
    ):
        super().__init__()
        self.unit = unit
        self.rate = rate
        self.alpha = alpha
        self.pixels = pixels
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        feature, _ = batch
        reconstruction, latent = self.unit(feature)
        channel_axis = 1 + self.unit.layout.index("C")
        error = relative_error(reconstruction, feature, channel_axis)
        return self.rate(latent, self.pixels) + self.alpha * error

    def configure_optimizers(self) -> Any:
        return with_schedule(self.make_optimizer(self.unit.parameters()), self.make_scheduler, self.trainer)
