"""How a unit is trained: optimizer, schedule, a cheap beginning, and Lightning's Trainer."""

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric.utilities.warnings import PossibleUserWarning
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import Logger

from bottleneck.loss import check_alpha
from bottleneck.training.checks import check_trainer
from bottleneck.training.schedules import Schedule, one_cycle

_ADAM = functools.partial(torch.optim.Adam, lr=3e-3)


@dataclass(frozen=True)
class Recipe:
    """How to train; what is trained is an `OperatingPoint`.

    Attributes:
        optimizer: Makes the optimizer from parameters.
        scheduler: Makes a schedule from `optimizer` and `total_steps`; `None`: the learning rate stays.
        warm_epochs: Epochs before the training proper in which the unit matches the frozen feature, without
            the tail. One costs what the unit costs, a small fraction of an epoch through the tail.
        warm_alpha: Weight of that matching (`loss.objectives.Matching`); `None`: the point's alpha.
        trainer: Options of Lightning's Trainer.

    Raises:
        ValueError: If a number is out of range, or the Trainer would change the frozen network.
    """

    optimizer: Callable[..., torch.optim.Optimizer] = _ADAM
    scheduler: Schedule | None = one_cycle
    warm_epochs: int = 0
    warm_alpha: float | None = None
    trainer: Mapping[str, Any] = field(default_factory=lambda: {"max_epochs": 40, "logger": False})

    def __post_init__(self) -> None:
        check_trainer(self.trainer.get("precision", "32-true"))
        if self.warm_epochs < 0:
            raise ValueError(f"warm_start.epochs={self.warm_epochs} must be at least 0.")
        if self.warm_alpha is not None:
            check_alpha(self.warm_alpha)

    def new_trainer(
        self, loggers: Sequence[Logger] = (), callbacks: Sequence[Callback] = (), **options: Any
    ) -> Trainer:
        """A Lightning Trainer.

        Args:
            loggers: Where it logs; none: nowhere.
            callbacks: Its callbacks.
            options: Further options of the Trainer, over those of the recipe.

        Raises:
            ValueError: If a callback would change the frozen network.
        """
        check_trainer("32-true", callbacks)
        # Lightning 2.6 still asks PyTorch in a way that PyTorch 2.15 deprecates.
        warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)
        # Both are meant: cached features need no workers, and the frozen network stays in eval mode.
        warnings.filterwarnings(
            "ignore", "The '.*dataloader' does not have many workers", PossibleUserWarning
        )
        warnings.filterwarnings("ignore", "Found .* in eval mode", PossibleUserWarning)
        keeps = any(isinstance(callback, Checkpoint) for callback in callbacks)
        own = {"logger": list(loggers), "callbacks": list(callbacks), "enable_checkpointing": keeps}
        return Trainer(**{**self.trainer, **own, **options})
