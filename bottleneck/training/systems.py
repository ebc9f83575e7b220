"""What Lightning trains: a unit between a frozen head and a frozen tail; `variants.py` has the rest.

    given ──► channel, quantised ──► feature' ──► tail ──► output        loss = rate + alpha · objective

Source: Datta et al., ICPR 2022.
"""

import math
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from bottleneck.channel import Channel
from bottleneck.codecs.entropy.tables.histogram import Histogram
from bottleneck.layouts import Layout
from bottleneck.loss import Loss, Objective, Passage, Terms
from bottleneck.loss.rates import Rate
from bottleneck.loss.several import SeveralLosses
from bottleneck.splitting import SplitModel
from bottleneck.tasks import Task
from bottleneck.training import checkpoint as entry
from bottleneck.training.averaging import AveragedToTheEnd, FrozenTensors
from bottleneck.training.cutmix import check_cutmix, cutmix
from bottleneck.training.frozen import FrozenHalves
from bottleneck.training.schedules import Schedule, with_schedule
from bottleneck.unit import Unit, UnitOutput

_STEERING = "steering"  # in checkpoints: where targets have come to
#: Progress at which payloads are weighed: early, as bytes fall sooner than they rise; 1: a stage follows.
_WEIGHINGS = (0.2, 0.5, 0.8, 1.0)


class BottleneckSystem(LightningModule):
    """Train a channel's unit on features.

    Batches are `(what the head gives, targets)`, or `(what the head gives, targets, probes)` where the
    objective wants those. Checkpoints hold the unit, and what its rate has learned,
    with an entry that says what they are (`checkpoint.py`); the network is not theirs.

    Attributes:
        kept: How the names of what is trained and kept in checkpoints begin.
        span: Which part of the way to a target this training is; other stages may come before and after it.

    Args:
        channel: Holds the unit.
        net: The split network; it is frozen here, its parameters and its BatchNorm statistics.
        task: Metrics, and the loss against labels.
        objective: What is weighed against the rate.
        loss: The rate, and alpha.
        optimizer: Makes an optimizer from parameters.
        scheduler: Makes a schedule from `optimizer` and `total_steps`, stepped after every batch.
        cutmix: Share of the training samples that are mixed with another one; see `cutmix.py`.
        baseline: The frozen network's metric on the validation samples, where a drop below it is wanted.
        weigh: The mean payload of images as they are, by a unit and a rate, where a payload is wanted.

    Raises:
        ValueError: If samples are to be mixed where that makes no sense.
    """

    kept: tuple[str, ...] = ("unit.", "loss.")

    def __init__(
        self,
        channel: Channel,
        net: SplitModel,
        task: Task,
        objective: Objective,
        loss: Loss | SeveralLosses,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Schedule | None = None,
        cutmix: float = 0.0,
        baseline: float = 0.0,
        weigh: Callable[[Unit, Rate], float] | None = None,
    ):
        super().__init__()
        if cutmix:
            check_cutmix(cutmix, self.input_layout(net), objective)
        assert channel.unit is not None, "a unit is what is trained"
        self.channel = channel
        self.unit = channel.unit
        self.net = net.freeze()
        self.task = task
        self.objective = objective
        self.loss = loss
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.cutmix = cutmix
        self.baseline = baseline
        self.weigh = weigh
        self._weighings: list[float] = []
        self.val_metrics = task.metrics(prefix="val/")
        self.strict_loading = False
        self._val_symbols: list[Any] = []
        self._pace, self._settled, self._seed = 1.0, False, 0
        self.span = (0.0, 1.0)
        self._frozen_tensors: FrozenTensors | None = None

    def input_layout(self, net: SplitModel) -> Layout:
        """How the axes of a batch's inputs are read."""
        return net.entry.layout

    def given(self, inputs: Tensor) -> Tensor:
        """What the head gives, from a batch's inputs."""
        return inputs

    def sent(self, inputs: Tensor) -> UnitOutput:
        """What the unit makes of a batch's inputs, for the tail and for the rate."""
        return self.channel.quantised(self.given(inputs))

    def frozen(self, inputs: Tensor, sizes: dict[str, Any]) -> Any:
        """What the frozen network makes of a batch's inputs; see `loss.objectives.Frozen`."""
        return FrozenHalves(self.net, inputs, sizes, self.objective.layers, self.objective.needs_output)

    def settle(self, pace: float) -> None:
        """From now on, learn at another pace, with the unit's statistics of BatchNorm at rest."""
        self._pace, self._settled = pace, True
        self.span = (1.0, 1.0)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self._settled:
            for module in self.unit.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def on_fit_start(self) -> None:
        if self.loss.steering() and not math.isfinite(self.trainer.estimated_stepping_batches):
            raise ValueError(
                "target_bytes= and target_drop= need a training that ends. Give the Trainer max_epochs or "
                "max_steps."
            )
        self._seed = torch.initial_seed()
        self._frozen_tensors = FrozenTensors(self, self.kept, self.trainer.callbacks)  # type: ignore[attr-defined]

    def on_validation_epoch_start(self) -> None:
        if self._frozen_tensors is not None:
            self._frozen_tensors.put_back()  # callbacks come before this hook

    on_train_end = on_validation_epoch_start

    def on_fit_end(self) -> None:
        self.on_train_end()  # Lightning leaves it out where no step is left
        torch.manual_seed(self._seed)

    def on_train_start(self) -> None:
        self._weighings = [] if self.weigh is None else [at for at in _WEIGHINGS if at >= self.progress]

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """What is drawn in an epoch follows from seed and epoch alone, as the order of its samples does."""
        if batch_idx == 0:
            (seed,) = np.random.SeedSequence([self._seed, self.current_epoch]).generate_state(1, np.uint64)
            torch.manual_seed(int(seed))
        if self.weigh is not None and self._weighings and self.progress >= self._weighings[0]:
            del self._weighings[0]
            callbacks: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]
            kept: Any = self
            if self.progress > 0.5:  # before, an average remembers the beginning
                kept = next((c.average for c in callbacks if isinstance(c, AveragedToTheEnd)), self)
            assert isinstance(self.loss, Loss), "one payload is wanted"
            self.loss.weigh(self.weigh(kept.unit, kept.loss.rate))

    def training_step(self, batch: tuple[Any, ...], batch_idx: int) -> Tensor:
        inputs, *known = batch
        if self.cutmix:
            inputs = cutmix(inputs, self.cutmix, self.input_layout(self.net))
        terms, _, sent = self.terms((inputs, *known))
        self.log_dict(terms.logged("train/"))
        self.loss.steer(sent, self.progress)
        return terms.loss

    @property
    def progress(self) -> float:
        """Share of the way to a target that has been gone."""
        begin, end = self.span
        return begin + (end - begin) * self.global_step / self.trainer.estimated_stepping_batches

    def validation_step(self, batch: tuple[Any, ...], batch_idx: int) -> None:
        terms, output, sent = self.terms(batch)
        self.log_dict(terms.logged("val/"), batch_size=len(batch[0]), sync_dist=True)
        self.val_metrics.update(output, batch[1])
        self._val_symbols.append(self.unit.quantizer.symbols(sent.latent).cpu().numpy())

    def on_validation_epoch_end(self) -> None:
        """Log the metrics, and the entropy of the validation symbols; coded sizes are measured later."""
        metrics = self.val_metrics.compute()
        self.log_dict(metrics)
        self.val_metrics.reset()
        if not self.trainer.sanity_checking:
            self.loss.judge(self.baseline - float(metrics[f"val/{self.task.metric}"]), self.progress)
        samples = sum(len(symbols) for symbols in self._val_symbols)
        symbols_per_sample = self._val_symbols[0][0].size
        bits = Histogram.fit(self._val_symbols).entropy() * symbols_per_sample
        bpp = bits / self.loss.rate.pixels
        self.log("val/entropy_bpp", bpp, batch_size=samples, sync_dist=True, prog_bar=True)
        self._val_symbols.clear()

    def configure_optimizers(self) -> Any:
        learned = set(self.loss.parameters())
        rest = [p for p in self.parameters() if p.requires_grad and p not in learned]
        optimizer = self.make_optimizer(rest)
        peak = self._pace * optimizer.param_groups[0]["lr"]
        optimizer.param_groups[0]["lr"] = peak
        if learned:
            own = {"params": list(self.loss.parameters()), "lr": self.loss.rate.pace * peak}
            optimizer.add_param_group(own)
        return with_schedule(optimizer, self.make_scheduler, self.trainer)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is not trained out of checkpoints, and say what is in them."""
        for name in entry.STATES:
            if name in checkpoint:
                state = checkpoint[name].items()
                checkpoint[name] = {key: value for key, value in state if key.startswith(self.kept)}
        entry.put(checkpoint, self.net.point.name, self.unit, self.channel.codec)
        checkpoint[_STEERING] = self.loss.steering()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse what is not this system's, and add what checkpoints leave out."""
        self.loss.load_steering(checkpoint.get(_STEERING, []))
        own = self.state_dict()
        for part in self.kept:
            expected = any(name.startswith(part) for name in own)
            if expected and not any(key.startswith(part) for key in checkpoint["state_dict"]):
                raise ValueError(f"ckpt_path= names a checkpoint that holds nothing of {part!r}.")
        if entry.ENTRY in checkpoint:  # 0.1 did not say what it had saved
            entry.take(checkpoint).check({"at": self.net.point.name, **self.unit.options})
        frozen = {key: value for key, value in own.items() if not key.startswith(self.kept)}
        for name in entry.STATES:
            if name in checkpoint:  # an averaging callback wants all of it
                checkpoint[name] = {**frozen, **checkpoint[name]}

    def terms(self, batch: tuple[Any, ...]) -> tuple[Terms, Any, UnitOutput]:
        """Loss of a batch, the tail's output, and what the unit made."""
        inputs, target, *probes = batch
        sizes = self.task.sizes(self.task.headers(target))
        sent = self.sent(inputs)
        reconstruction = sent.feature
        finish = self.objective.needs_output or not self.training
        output, layers = self.net.tail.watch(reconstruction, self.objective.layers, sizes, finish)
        frozen = self.frozen(inputs, sizes)
        passage = Passage(self.task, target, output, layers, reconstruction, frozen, *probes)
        return self.loss([sent], self.objective(passage)), output, sent
