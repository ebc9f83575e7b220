"""What Lightning trains: the unit alone, between a frozen head and a frozen tail.

    feature ──► unit ──► feature' ──► tail ──► output          loss = rate(latent) + alpha · task(output)

Source: Datta et al., ICPR 2022.
"""

from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from bottleneck.codecs.entropy.tables.histogram import Histogram
from bottleneck.objectives import Objective, Passage
from bottleneck.rate import L1Rate
from bottleneck.schedules import Schedule, with_schedule
from bottleneck.splitting import SplitModel
from bottleneck.tasks import Task
from bottleneck.unit import Unit


class BottleneckSystem(LightningModule):
    """Train a unit on features.

    Batches are `(features, targets)`. Checkpoints hold the unit only; the network is not theirs.

    Attributes:
        kept: How the names of what is trained and kept in checkpoints begin.

    Args:
        unit: What is trained.
        net: The split network; it is frozen here, its parameters and its BatchNorm statistics.
        task: Metrics, and the loss against labels.
        objective: What is weighed against the rate.
        rate: What is paid for the latent.
        alpha: Weight of the task in the loss; larger: more rate, better task.
        pixels: Pixels of the image that enters the head.
        optimizer: Makes an optimizer from parameters.
        scheduler: Makes a schedule from `optimizer` and `total_steps`, stepped after every batch.

    Raises:
        ValueError: If alpha is negative or no number.
    """

    kept: tuple[str, ...] = ("unit.",)

    def __init__(
        self,
        unit: Unit,
        net: SplitModel,
        task: Task,
        objective: Objective,
        rate: L1Rate,
        alpha: float,
        pixels: int,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Schedule | None = None,
    ):
        super().__init__()
        if not isinstance(alpha, int | float) or not alpha >= 0:
            raise ValueError(f"alpha={alpha!r} must be a number of at least 0.")
        self.unit = unit
        self.net = net.freeze()
        self.task = task
        self.objective = objective
        self.rate = rate
        self.alpha = alpha
        self.pixels = pixels
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.val_metrics = task.metrics(prefix="val/")
        self.strict_loading = False
        self._val_symbols: list[Any] = []

    @property
    def frozen(self) -> nn.Module:
        """From a batch's inputs to what the frozen network makes of them."""
        return self.net.tail

    def feature(self, inputs: Tensor) -> Tensor:
        """From a batch's inputs to the head's output."""
        return inputs

    @torch.no_grad()
    def wanted(self, inputs: Tensor) -> Tensor | None:
        """The frozen feature at the cut, which `frozen` takes; `None` where that takes the inputs."""
        return self.net.feature(inputs)

    def training_step(self, batch: tuple[Tensor, Any], batch_idx: int) -> Tensor:
        loss, terms, _, _ = self._loss(batch)
        self.log_dict({f"train/{name}": value for name, value in terms.items()})
        return loss

    def validation_step(self, batch: tuple[Tensor, Any], batch_idx: int) -> None:
        _, terms, output, latent = self._loss(batch)
        size = len(batch[0])
        self.log_dict(
            {f"val/{name}": value for name, value in terms.items()}, batch_size=size, sync_dist=True
        )
        self.val_metrics.update(output, batch[1])
        self._val_symbols.append(self.unit.quantizer.symbols(latent).cpu().numpy())

    def on_validation_epoch_end(self) -> None:
        """Log the metrics, and the entropy of the validation symbols; coded sizes are measured later."""
        self.log_dict(self.val_metrics.compute())
        self.val_metrics.reset()
        samples = sum(len(symbols) for symbols in self._val_symbols)
        symbols_per_sample = self._val_symbols[0][0].size
        bits = Histogram.fit(self._val_symbols).entropy() * symbols_per_sample
        self.log("val/entropy_bpp", bits / self.pixels, batch_size=samples, sync_dist=True, prog_bar=True)
        self._val_symbols.clear()

    def configure_optimizers(self) -> Any:
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return with_schedule(self.make_optimizer(trained), self.make_scheduler, self.trainer)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is not trained out of checkpoints."""
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {key: value for key, value in state.items() if key.startswith(self.kept)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over how far a schedule has come, not how long it was: a resumed run may be longer."""
        progress = ("last_epoch", "_step_count", "_last_lr")
        checkpoint["lr_schedulers"] = [
            {key: state[key] for key in progress if key in state} for state in checkpoint["lr_schedulers"]
        ]
        for part in self.kept:
            if not any(key.startswith(part) for key in checkpoint["state_dict"]):
                raise ValueError(f"ckpt_path= names a checkpoint that holds nothing of {part!r}.")

    def _loss(self, batch: tuple[Tensor, Any]) -> tuple[Tensor, dict[str, Tensor], Any, Tensor]:
        inputs, target = batch
        feature = self.feature(inputs)
        reconstruction, latent = self.unit(self.net.sent(feature))
        sizes = self.task.sizes(self.task.headers(target))
        output, layers = self.net.tail.watch(
            self.net.joined(reconstruction, feature),
            self.objective.layers,
            sizes,
            finish=self.objective.needs_output or not self.training,
        )
        wanted = self.wanted(inputs)
        task = self.objective(
            Passage(
                self.task,
                target,
                inputs if wanted is None else wanted,
                self.frozen,
                output,
                layers,
                sizes,
                reconstruction,
                wanted,
            )
        )
        rate = self.rate(latent, self.pixels)
        loss = rate + self.alpha * task
        return (
            loss,
            {"loss": loss.detach(), "rate": rate.detach(), "task_loss": task.detach()},
            output,
            latent,
        )
