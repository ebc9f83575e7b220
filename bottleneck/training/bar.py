"""One line that moves while a stage of a training runs."""

from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from tqdm.auto import tqdm


class StageBar(ProgressBar):
    """A bar over all batches of a stage, which says what is trained, in which epoch, and the last loss.

    It is drawn in terminals and notebooks alone: a log of lines has none.

    Args:
        stage: What the training does, in a word or two.
    """

    def __init__(self, stage: str):
        super().__init__()
        self._stage = stage
        self._bar: Any = None
        self._shown = True

    def disable(self) -> None:
        """Show nothing; Lightning asks so in all but the first process."""
        self._shown = False

    def enable(self) -> None:
        """Show the bar again, from the next stage on."""
        self._shown = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        done, batches = trainer.global_step, trainer.estimated_stepping_batches
        total = int(batches) if batches != float("inf") else None
        hidden = None if self._shown else True  # None: where stderr is no terminal
        self._bar = tqdm(desc=self._stage, total=total, initial=done, unit="batch", disable=hidden)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._bar.set_description(f"{self._stage}, epoch {trainer.current_epoch + 1} of {trainer.max_epochs}")

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:
        self._bar.update(trainer.global_step - self._bar.n)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (loss := trainer.callback_metrics.get("train/loss")) is not None:
            self._bar.set_postfix_str(f"loss {float(loss):.4g}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._bar.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self._bar is not None:
            self._bar.close()
