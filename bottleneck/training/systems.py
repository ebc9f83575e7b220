"""What Lightning trains: the unit alone between a frozen head and a frozen tail, or with the tail, or all.

    given ──► channel, quantised ──► feature' ──► tail ──► output        loss = rate + alpha · objective

Source: Datta et al., ICPR 2022.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Self

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bottleneck.channel import Channel
from bottleneck.codecs.entropy.tables.histogram import Histogram
from bottleneck.layouts import Layout
from bottleneck.loss import Loss, Objective, Passage, Terms
from bottleneck.loss.density import DensityRate
from bottleneck.loss.several import SeveralLosses
from bottleneck.splitting import SplitModel
from bottleneck.tasks import Task
from bottleneck.training import checkpoint as entry
from bottleneck.training.averaging import FrozenTensors
from bottleneck.training.cutmix import check_cutmix, cutmix
from bottleneck.training.schedules import Schedule, with_schedule
from bottleneck.unit import UnitOutput
from bottleneck.unit.gains import Gains


class FrozenHalves:
    """The frozen network on a batch of what its head gives; see `loss.objectives.Frozen`.

    Its tail runs once, when it is first asked for its output or for layers, whatever is asked for then.

    Args:
        net: The network, split.
        given: What its head gives.
        sizes: What its tail takes beside the feature.
        names: Modules of the tail whose outputs may be asked for.
        finish: Whether its output may be asked for.
    """

    def __init__(
        self,
        net: SplitModel,
        given: Tensor,
        sizes: dict[str, Any],
        names: Sequence[str] = (),
        finish: bool = True,
    ):
        self._net, self._given = net, given.detach()
        self._sizes, self._names, self._finish = sizes, names, finish

    @torch.no_grad()
    def feature(self) -> Tensor:
        return self._net.at_cut(self._given)

    def output(self) -> Any:
        return self._passage[0]

    def layers(self, names: Sequence[str]) -> dict[str, Tensor]:
        return {name: self._passage[1][name] for name in names}

    def layout(self, name: str) -> Layout:
        return self._net.tail.layers[name].layout

    def parts(self, feature: Tensor) -> list[tuple[Tensor, Layout]]:
        return self._net.point.apart(feature)

    @cached_property
    def _passage(self) -> tuple[Any, dict[str, Tensor]]:
        with torch.no_grad():
            return self._net.tail.watch(self.feature(), self._names, self._sizes, self._finish)


class BottleneckSystem(LightningModule):
    """Train a channel's unit on features.

    Batches are `(what the head gives, targets)`. Checkpoints hold the unit, and what its rate has learned,
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
        self.val_metrics = task.metrics(prefix="val/")
        self.strict_loading = False
        self._val_symbols: list[Any] = []
        self._pace, self._settled = 1.0, False
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
        self._frozen_tensors = FrozenTensors(self, self.kept, self.trainer.callbacks)  # type: ignore[attr-defined]

    def on_validation_epoch_start(self) -> None:
        if self._frozen_tensors is not None:
            self._frozen_tensors.put_back()  # callbacks come before this hook

    on_train_end = on_validation_epoch_start

    def training_step(self, batch: tuple[Tensor, Any], batch_idx: int) -> Tensor:
        inputs, target = batch
        if self.cutmix:
            inputs = cutmix(inputs, self.cutmix, self.input_layout(self.net))
        terms, _, sent = self.terms((inputs, target))
        self.log_dict(terms.logged("train/"))
        self.loss.steer(sent, self.progress)
        return terms.loss

    @property
    def progress(self) -> float:
        """Share of the way to a target that has been gone."""
        begin, end = self.span
        return begin + (end - begin) * self.global_step / self.trainer.estimated_stepping_batches

    def validation_step(self, batch: tuple[Tensor, Any], batch_idx: int) -> None:
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

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over how far a schedule has come, not how long it was: a resumed run may be longer."""
        progress = ("last_epoch", "_step_count", "_last_lr")
        checkpoint["lr_schedulers"] = [
            {key: state[key] for key in progress if key in state} for state in checkpoint["lr_schedulers"]
        ]
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

    def terms(self, batch: tuple[Tensor, Any]) -> tuple[Terms, Any, UnitOutput]:
        """Loss of a batch, the tail's output, and what the unit made."""
        inputs, target = batch
        sizes = self.task.sizes(self.task.headers(target))
        sent = self.sent(inputs)
        reconstruction = sent.feature
        finish = self.objective.needs_output or not self.training
        output, layers = self.net.tail.watch(reconstruction, self.objective.layers, sizes, finish)
        passage = Passage(self.task, target, output, layers, reconstruction, self.frozen(inputs, sizes))
        return self.loss([sent], self.objective(passage)), output, sent


class RatesSystem(BottleneckSystem):
    """Train one unit at several rates: each step draws one. Nothing is validated on the way.

    Args:
        channel: Its unit's quantizer has a step for each channel and rate (`Gains`).
        net: The split network; it is frozen here.
        options: What `BottleneckSystem` takes besides; `loss` is `SeveralLosses`.
    """

    loss: SeveralLosses

    @property
    def gains(self) -> Gains:
        """The unit's quantizer."""
        assert isinstance(self.unit.quantizer, Gains), "a step for each rate is what is learned"
        return self.unit.quantizer

    @property
    def density(self) -> DensityRate:
        """That of the latent, for all rates."""
        assert isinstance(self.loss.rate, DensityRate), "targets of bytes need bits"
        return self.loss.rate

    def training_step(self, batch: tuple[Tensor, Any], batch_idx: int) -> Tensor:
        self.gains.rate = self.loss.current = int(torch.randint(self.gains.rates, ()))
        return super().training_step(batch, batch_idx)

    def on_train_end(self) -> None:
        super().on_train_end()
        self.density.width = self.density.width.detach()

    def sent(self, inputs: Tensor) -> UnitOutput:
        """What the unit makes of a batch's inputs, its latent in steps."""
        found = super().sent(inputs)
        step = self.gains.step_for(found.exact)
        self.density.width = step.flatten() / self.gains.step
        return found._replace(latent=found.latent / step, exact=found.exact / step)


class TailSystem(BottleneckSystem):
    """Train a unit and the tail behind it on features. The tail's statistics of BatchNorm stay at rest.

    Checkpoints hold unit and tail.

    Args:
        channel: Holds the unit.
        net: The network with a tail of its own, which is trained.
        original: The network as it was; what `objective` compares with.
        options: What `BottleneckSystem` takes besides.

    Raises:
        ValueError: If the objective does not look at what the tail gives.

    Source: Matsubara et al., WACV 2022, arXiv:2108.11898; Duan and Zhu, PCS 2022.
    """

    kept = ("unit.", "loss.", "net.tail.")

    def __init__(self, channel: Channel, net: SplitModel, original: SplitModel, **options: Any):
        super().__init__(channel, net, **options)
        if not self.objective.needs_output:
            raise ValueError(
                "trainable=tail needs an objective that looks at the output, and "
                f"{type(self.objective).__name__} does not. Use objective=task, logits, or a sum with one."
            )
        self.net.tail.requires_grad_(True)
        self._original = [original]  # in a list, so that Lightning neither moves, trains nor saves it

    def frozen(self, inputs: Tensor, sizes: dict[str, Any]) -> Any:
        return FrozenHalves(self._original[0], inputs, sizes, self.objective.layers)


class WholeNetwork:
    """A frozen network as it was, on a batch of images; see `loss.objectives.Frozen`."""

    def __init__(self, network: nn.Module, images: Tensor):
        self._network, self._images = network, images

    @torch.no_grad()
    def output(self) -> Any:
        return self._network(self._images)


class EndToEndSystem(BottleneckSystem):
    """Train a unit and the network around it on images, to see what freezing them costs.

    Batches are `(images, targets)`. Checkpoints hold unit and network.

    Args:
        channel: Holds the unit.
        net: The network that is trained, split; it is no longer frozen afterwards.
        original: The network as it was, whole; what `objective` compares with.
        options: What `BottleneckSystem` takes besides.

    Raises:
        ValueError: If the objective matches features, which have no reason to stay what they were.

    Source: the comparison with full-model training in Datta et al., ICPR 2022, figures 6 and 7.
    """

    kept = ("unit.", "loss.", "net.")

    def __init__(self, channel: Channel, net: SplitModel, original: nn.Module, **options: Any):
        super().__init__(channel, net, **options)
        if self.objective.layers or not self.objective.needs_output:
            raise ValueError(
                "trainable=all cannot match the frozen network's features, as "
                f"{type(self.objective).__name__} does. Use objective=task or objective=logits."
            )
        self.net.unfreeze().train()
        self._original = [original]  # in a list, so that Lightning neither moves, trains nor saves it

    def input_layout(self, net: SplitModel) -> Layout:
        return Layout("CHW")

    def given(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.net.head(inputs)
        return found

    def frozen(self, inputs: Tensor, sizes: dict[str, Any]) -> Any:
        return WholeNetwork(self._original[0], inputs)
