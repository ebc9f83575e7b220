"""The callback: when, in somebody's training, the plugin does what."""

import functools
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback
from torch import Tensor

from bottleneck import codecs
from bottleneck.identity import tensor_digests
from bottleneck.loss.rates import L1Rate
from bottleneck.plugin.channel import Channel
from bottleneck.plugin.checkpoint import named_weights, put, take
from bottleneck.plugin.fitting import check_name, check_training, first_step
from bottleneck.plugin.insertion import Insertion
from bottleneck.plugin.network import bundle_of, network_around
from bottleneck.plugin.probe import probe
from bottleneck.splitting.axes import layout_of
from bottleneck.training.schedules import Schedule, cosine, with_schedule
from bottleneck.unit import Unit, build, unit_class

# A Trainer takes callbacks of its own package only, and `lightning` carries a second copy of the class.
_OtherCallback: Any = object
if find_spec("lightning") is not None:
    from lightning.pytorch import Callback as _OtherCallback


class BottleneckPlugin(Callback, _OtherCallback):
    """Train a bottleneck behind one submodule of any LightningModule, with that module's own loss.

    While the Trainer fits, everything but the unit is frozen, buffers included, and in eval mode; the loss is
    `rate + alpha * theirs`, and the optimizer is ours. In validation, test and prediction every feature
    goes through real bytes. Outside the Trainer the module computes what it always did. Works with modules
    of `pytorch_lightning` and of `lightning`, on one device or with DDP, compiled or not.

    Their checkpoints keep their `state_dict`, key for key, and get an entry `bottleneck` with the unit's
    options and weights and the codec's tables; `ckpt_path=` resumes and tests from it.

    Logged are `train/rate` and `train/task_loss`, then `bpp` and `payload_bytes` (means per sample) under
    `val/` and `test/`.

    Args:
        at: Name of the submodule, such as `model.layer3`; its output is one feature map, `(b, C, H, W)`,
            or for `kind="tokens"` a sequence of tokens, `(b, L, C)`.
        latent_channels: C_r; more: more rate, better task.
        stride: S; larger: fewer symbols.
        step: Q; larger: less rate.
        alpha: Weight of their loss; larger: more rate, better task.
        codec: Name of the codec that makes the bytes.
        rate: What is paid for the latent, from a batch of latents and the pixels of an image.
        optimizer: Makes the optimizer from the unit's parameters.
        scheduler: Makes a schedule from `optimizer` and `total_steps`, stepped after every batch, or `None`.
        example: A batch of images as the module's `forward` takes it. `None`: the first training batch goes
            through `training_step` as far as the split point, which shows the feature's size.
        kind: What is trained: a name of `bottleneck.unit.UNITS`.
        unit: Further options of that unit, such as `activation` and `kernel` of `depthwise`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        at: str,
        *,
        latent_channels: int,
        stride: int,
        step: float,
        alpha: float,
        codec: str = "range",
        rate: Callable[[Tensor, int], Tensor] | None = None,
        optimizer: Callable[..., torch.optim.Optimizer] | None = None,
        scheduler: Schedule | None = cosine,
        example: Tensor | None = None,
        kind: str = "depthwise",
        **unit: Any,
    ):
        super().__init__()
        if not isinstance(alpha, int | float) or not alpha >= 0:
            raise ValueError(f"alpha={alpha!r} must be a number of at least 0.")
        if (coded := codecs.create(codec, shape=(1,)).input) != "symbols":
            raise ValueError(
                f"codec={codec!r} codes {coded}, a bottleneck sends symbols. "
                f"Choose from {codecs.names('symbols')}."
            )
        self.at, self.alpha, self.codec, self.example = at, alpha, codec, example
        self.options = {"latent_channels": latent_channels, "stride": stride, "step": step, **unit}
        self.unit_class = unit_class(kind)
        self.rate = rate or L1Rate()
        self.make_optimizer = optimizer or functools.partial(torch.optim.Adam, lr=1e-3)
        self.make_schedule = scheduler
        self._module: Any = None
        self._insertion: Insertion | None = None
        self._channel: Channel | None = None
        self._frozen: dict[str, bytes] = {}
        self._measured: dict[str, float] = {}
        self._is_first_process = True

    # What a user calls -------------------------------------------------------------------------

    @property
    def unit(self) -> Unit | None:
        """The unit, once a training has begun or a checkpoint was read; it stays after `detach`."""
        return None if self._channel is None else self._channel.unit

    def export(self, folder: str | Path) -> None:
        """Write the trained unit as a bundle: `device, server = bottleneck.load(folder, network)`.

        The network is the LightningModule itself where its own `forward` can be cut, else the outermost
        submodule that can; `bundle.json` names it. With DDP the first process writes.

        Raises:
            ValueError: If nothing is trained yet, or no network around the split point can be cut there.
        """
        channel = self._trained("export")
        channel.fit_tables()
        _check_fitted(channel)
        if self._is_first_process:
            bundle_of(self._module, channel, self._measured).save(folder)

    def detach(self, module: Any) -> None:
        """Leave no trace in a module: unit, hook, methods, gradients and modes. `export` still works.

        Raises:
            ValueError: If the plugin is attached to another module.
        """
        if self._insertion is not None:
            self._insertion.check(module)
            self._insertion.undo()
            self._insertion = None

    # From setup to teardown --------------------------------------------------------------------

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if stage == "fit":
            check_training(trainer, pl_module)
        self._is_first_process = trainer.is_global_zero
        if self._insertion is not None:
            self._insertion.check(pl_module)
            self._send("quantise")
            return
        insertion = Insertion(pl_module)
        insertion.override("on_save_checkpoint", self._save)
        insertion.override("on_load_checkpoint", self._load)
        insertion.override(
            "configure_model", self._configure_model
        )  # the first when all of the network exists
        self._module, self._insertion, self._channel = pl_module, insertion, None

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._send(None)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._send(None)
        if self._channel is None:
            self.detach(pl_module)  # it failed before there was anything to keep

    def _configure_model(self, theirs: Callable[[], None]) -> None:
        theirs()
        check_name(self._module, self.at)
        if self._channel is not None or self._module.trainer.state.fn != "fit":
            return
        with torch.device("cpu"):  # Lightning makes the accelerator the default; samplers need this one
            channel = self._new_channel(self._module.trainer)
        self._insert(channel)
        try:
            network_around(self._module, channel)
        except ValueError as error:
            warnings.warn(f"This bottleneck can be trained, but not exported: {error}", stacklevel=2)

    def _new_channel(self, trainer: Any) -> Channel:
        """A channel with an untrained unit that fits the feature behind the split point."""
        module, device = self._module, trainer.strategy.root_device
        module.to(device)
        assert self._insertion is not None
        self._insertion.override("log", lambda *_, **__: None)  # this run is not one of the training's steps
        try:
            run = first_step(trainer, module) if self.example is None else self._run_example
            with trainer.precision_plugin.train_step_context():
                feature, image = probe(module, self.at, run)
        finally:
            self._insertion.restore("log")
        layout = layout_of(tuple(feature.shape[1:]), tuple(image.shape[1:]))
        unit = self.unit_class.from_features(feature.float(), layout, **self.options)
        # Processes see different batches, and whether any feature is negative decides an activation.
        unit = build(trainer.strategy.broadcast(unit.options))
        codec = codecs.create(self.codec, shape=unit.latent_shape)
        dtype = torch.uint8 if image.dtype == torch.uint8 else torch.float32
        return Channel(self.at, unit, codec, torch.zeros(image.shape, dtype=dtype))

    def _run_example(self) -> None:
        assert self.example is not None
        self._module(self.example.to(self._module.device))

    def _insert(self, channel: Channel) -> None:
        assert self._insertion is not None
        channel.unit.to(self._module.device)
        self._insertion.insert(channel.unit, self.at, channel)
        self._insertion.override("training_step", self._training_step)
        self._insertion.override("configure_optimizers", self._configure_optimizers)
        self._insertion.override("lr_scheduler_step", _step_schedule)
        self._channel = channel
        self._send("quantise")

    # Training ----------------------------------------------------------------------------------

    def _configure_optimizers(self, theirs: Callable[[], Any]) -> Any:
        optimizer = self.make_optimizer(self._trained("train").unit.parameters())
        return with_schedule(optimizer, self.make_schedule, self._module.trainer)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._frozen = tensor_digests(pl_module)

    @torch.compiler.disable(recursive=False)
    def _training_step(self, theirs: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Their step, with the rate added to its loss."""
        channel, module = self._trained("train"), self._module
        module.eval()
        channel.send = channel.train
        try:
            output = theirs(*args, **kwargs)
        finally:
            channel.send = channel.quantise
            latents, channel.latents = channel.latents, []
        if output is None:
            return None  # Lightning skips the batch
        task = output["loss"] if isinstance(output, Mapping) else output
        if not latents or not task.requires_grad:
            raise ValueError(
                f"at={self.at!r} was not run in training_step, or the loss does not depend on it, so no "
                "bottleneck can be trained there. Name a submodule that the loss needs."
            )
        rate = torch.stack([self.rate(latent, channel.pixels) for latent in latents]).sum()
        loss = rate + self.alpha * task
        module.log_dict({"train/rate": rate.detach(), "train/task_loss": task.detach()})
        return {**output, "loss": loss} if isinstance(output, Mapping) else loss

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._fit_tables(trainer)
        after = tensor_digests(pl_module)
        if changed := [name for name, digest in self._frozen.items() if after.get(name) != digest]:
            warnings.warn(
                f"These frozen tensors changed during training: {changed}. Code of the module or of another "
                "callback writes to them; the bottleneck was trained for what they were on the way.",
                stacklevel=2,
            )

    def _fit_tables(self, trainer: Any) -> None:
        """Fit the codec's tables on training symbols; all processes get those of the first."""
        channel = self._trained("measure")
        channel.fit_tables()
        channel.codec = codecs.from_dict(trainer.strategy.broadcast(channel.codec.to_dict()))

    # Validation, test, prediction --------------------------------------------------------------

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._start_coding(trainer)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._log_payloads("val")

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self._end_coding(trainer)

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        self._start_coding(trainer)

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._log_payloads("test")

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        self._end_coding(trainer)

    def on_predict_start(self, trainer: Any, pl_module: Any) -> None:
        self._start_coding(trainer)

    def _start_coding(self, trainer: Any) -> None:
        self._fit_tables(trainer)
        channel = self._trained("measure")
        _check_fitted(channel)
        channel.payload_sizes.clear()
        channel.send = channel.code

    def _log_payloads(self, stage: str) -> None:
        channel = self._trained("measure")
        sizes = channel.payload_sizes
        if not sizes:
            raise ValueError(f"at={self.at!r} was not run in {stage}, so nothing was sent there.")
        payload_bytes = sum(sizes) / len(sizes)
        values = {"payload_bytes": payload_bytes, "bpp": 8 * payload_bytes / channel.pixels}
        named = {f"{stage}/{name}": value for name, value in values.items()}
        self._module.log_dict(named, batch_size=len(sizes), sync_dist=True)

    def _end_coding(self, trainer: Any) -> None:
        self._send("quantise")
        if not trainer.sanity_checking:
            self._measured = {name: value.item() for name, value in trainer.callback_metrics.items()}

    # Checkpoints -------------------------------------------------------------------------------

    def _save(self, theirs: Callable[[dict], None], checkpoint: dict[str, Any]) -> None:
        theirs(checkpoint)
        if self._channel is not None:
            self._fit_tables(self._module.trainer)
            put(checkpoint, self._channel)

    def _load(self, theirs: Callable[[dict], None], checkpoint: dict[str, Any]) -> None:
        wanted = {"at": self.at, "codec": self.codec, "kind": self.unit_class.kind, **self.options}
        saved = take(checkpoint, wanted if self._channel is None else wanted | self._channel.unit.options)
        theirs(checkpoint)
        if self._channel is None:
            self._insert(saved)
        else:
            self._channel.codec = saved.codec
        checkpoint["state_dict"] |= named_weights(saved)

    # Helpers -----------------------------------------------------------------------------------

    def _trained(self, action: str) -> Channel:
        if self._channel is None:
            raise ValueError(
                f"There is no bottleneck to {action} yet. Fit with this plugin first, or give the Trainer "
                "the ckpt_path of a training with it; for the module's own results leave the plugin out."
            )
        return self._channel

    def _send(self, how: str | None) -> None:
        if self._channel is not None:
            self._channel.send = getattr(self._channel, how) if how else None


def _check_fitted(channel: Channel) -> None:
    if not channel.codec.fitted:
        raise ValueError("The bottleneck is not trained yet. Fit first, or give the Trainer a ckpt_path.")


def _step_schedule(theirs: Callable[..., None], scheduler: Any, metric: Any) -> None:
    """Step our schedule as Lightning does by default, whatever the module does with its own."""
    scheduler.step()
