"""How a unit is trained: optimizer, schedule, a cheap beginning, and Lightning's Trainer."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.accelerators import CUDAAccelerator, MPSAccelerator
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from bottleneck.loss import Objective, check_alpha
from bottleneck.loss.objectives import Matching
from bottleneck.training.averaging import AveragedToTheEnd
from bottleneck.training.bar import StageBar
from bottleneck.training.checks import check_trainer
from bottleneck.training.quiet import quiet
from bottleneck.training.saving import WholeCheckpoints
from bottleneck.training.schedules import Schedule, one_cycle

_GPUS = {  # what Lightning calls them
    "gpu": (CUDAAccelerator, MPSAccelerator),
    "cuda": (CUDAAccelerator,),
    "mps": (MPSAccelerator,),
}
_ADAM = functools.partial(torch.optim.Adam, lr=3e-3)


class _MovingAverage:
    """An exponential moving average that forgets its beginning: at first, it decays like a plain mean."""

    def __init__(self, decay: float):
        self.decay = decay

    def __call__(self, average: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
        decay = min(self.decay, (1 + int(count)) / (10 + int(count)))
        return average + (value - average) * (1 - decay)


@dataclass(frozen=True)
class Recipe:
    """How to train; what is trained is an `OperatingPoint`.

    Attributes:
        optimizer: Makes the optimizer from parameters.
        scheduler: Makes a schedule from `optimizer` and `total_steps`; `None`: the learning rate stays.
        warm_epochs: Epochs before the training proper in which the unit matches the frozen feature, without
            the tail. One costs what the unit costs, a small fraction of an epoch through the tail.
        warm_alpha: Weight of `warm_objective`; `None`: the point's alpha.
        warm_objective: What is matched there: by `Matching`, or a `Sum` of it and `Probes`, for which no
            samples are mixed.
        settle_epochs: Epochs behind the training proper, with the unit's statistics of BatchNorm at rest and
            a learning rate `settle_pace` as high.
        cutmix: Share of the training samples that get a rectangle of another one's feature; see `cutmix.py`.
        average: Decay of the moving average of weights that is kept, such as 0.998; 0: the last weights.
        aims: Whether a payload that is asked for is met at the end by the quantization step. A study does
            without: any payload is a point.
        trainer: Options of Lightning's Trainer.

    Raises:
        ValueError: If a number is out of range, the optimizer cannot be made, the Trainer would change the
            frozen network, or it is to run on a GPU and there is none.
    """

    optimizer: Callable[..., torch.optim.Optimizer] = _ADAM
    scheduler: Schedule | None = one_cycle
    warm_epochs: int = 0
    warm_alpha: float | None = None
    warm_objective: Objective = field(default_factory=Matching)
    settle_epochs: int = 0
    settle_pace: float = 0.35
    cutmix: float = 0.0
    average: float = 0.0
    aims: bool = True
    trainer: Mapping[str, Any] = field(default_factory=lambda: {"max_epochs": 40, "logger": False})

    def __post_init__(self) -> None:
        check_trainer(self.trainer.get("precision"))
        for key in ("callbacks", "logger"):
            if self.trainer.get(key):
                raise ValueError(
                    f"trainer= has {key}, which would be shared by all stages of all trainings. Give {key}= "
                    "to train(...)."
                )
        accelerator = str(self.trainer.get("accelerator"))
        if accelerator in _GPUS and not any(kind.is_available() for kind in _GPUS[accelerator]):
            raise ValueError(
                f"trainer.accelerator={accelerator}: PyTorch has no such device here. Leave it out: it "
                "then follows device=cpu, or device=auto, which takes a GPU where there is one."
            )
        epochs = self.trainer.get("max_epochs")
        if epochs is not None and (epochs != int(epochs) or epochs < -1):
            raise ValueError(
                f"trainer.max_epochs={epochs} must be a whole number of at least 0, or -1 for no end."
            )
        try:
            self.optimizer([torch.nn.Parameter(torch.zeros(1))])
        except (TypeError, ValueError) as error:
            raise ValueError(f"optimizer= makes no optimizer of parameters: {error}.") from error
        for key, value in (("warm_start", self.warm_epochs), ("settle", self.settle_epochs)):
            if value < 0:
                raise ValueError(f"{key}.epochs={value} must be at least 0.")
        if not 0 <= self.cutmix <= 1:
            raise ValueError(f"cutmix={self.cutmix} is a share of the samples, from 0 to 1.")
        if not 0 < self.settle_pace <= 1:
            raise ValueError(f"settle.pace={self.settle_pace} must be above 0, and at most 1.")
        if not 0 <= self.average < 1:
            raise ValueError(f"average={self.average} is a decay, from 0 (none) to below 1.")
        if self.warm_alpha is not None:
            check_alpha(self.warm_alpha, "warm_start.alpha")

    def averaging(self) -> list[Callback]:
        """A fresh callback that averages weights, if they are to be averaged."""
        return [AveragedToTheEnd(avg_fn=_MovingAverage(self.average))] if self.average else []

    def new_trainer(
        self,
        callbacks: Sequence[Callback] = (),
        stage: str = "Training",
        **options: Any,
    ) -> Trainer:
        """A Lightning Trainer.

        Args:
            callbacks: Its callbacks.
            stage: What its progress bar calls it.
            options: Further options of the Trainer, over those of the recipe; it logs nowhere without a
                `logger` among them.

        Raises:
            ValueError: If a callback would change the frozen network, or Lightning refuses an option.
        """
        keeps = any(isinstance(callback, Checkpoint) for callback in callbacks)
        own = {"enable_checkpointing": keeps, "logger": False}
        wanted = {"plugins": [WholeCheckpoints()], **self.trainer, **own, **options}
        check_trainer(wanted.get("precision"), callbacks)
        quiet()
        bars = [StageBar(stage)] if wanted.get("enable_progress_bar", True) else []
        try:
            return Trainer(**{**wanted, "callbacks": [*callbacks, *bars]})
        except (MisconfigurationException, TypeError, ValueError) as error:
            raise ValueError(f"trainer= is refused by Lightning: {error}") from error
