"""The callback: when, in somebody's training, the plugin does what."""

import functools
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning import Callback
from torch import Tensor

from bottleneck.identity import UNIT_NAME, tensor_digests
from bottleneck.loss import L1Rate, OperatingPoint
from bottleneck.loss.rates import RateFactory
from bottleneck.measure.health import divergence
from bottleneck.plugin.checkpoint import put, put_back
from bottleneck.plugin.checks import check_name, check_training
from bottleneck.plugin.fitting import new_hook
from bottleneck.plugin.hook import Hook, uncompiled
from bottleneck.plugin.insertion import Insertion
from bottleneck.plugin.network import bundle_of
from bottleneck.training import checkpoint as entry
from bottleneck.training.averaging import FrozenTensors
from bottleneck.training.schedules import Schedule, cosine, with_schedule
from bottleneck.unit import UNITS, Unit

# A Trainer takes callbacks of its own package only, and `lightning` carries a second copy of the class.
if TYPE_CHECKING or find_spec("lightning") is None:

    class _OtherCallback: ...

else:
    from lightning.pytorch import Callback as _OtherCallback


class BottleneckPlugin(Callback, _OtherCallback):
    """Train a bottleneck behind one submodule of any LightningModule, with that module's own loss.

    While the Trainer fits, everything but the unit is frozen, buffers included, and in eval mode; the loss is
    `rate + alpha * theirs`, and the optimizer is ours. In validation, test and prediction every feature
    goes through real bytes. Outside the Trainer the module computes what it always did. Works with modules
    of `pytorch_lightning` and of `lightning`, on one device or with DDP, compiled or not, and in front of
    callbacks that average weights.

    Their checkpoints keep their `state_dict`, key for key, and get an entry `bottleneck` with the unit's
    options, weights, tables and rate; `ckpt_path=` resumes and tests from it.

    Logged are `train/rate` and `train/task_loss`, then `bpp` and `payload_bytes` (means per sample) under
    `val/` and `test/`.

    Args:
        at: Name of the submodule, such as `model.layer3`; its output is one feature map, `(b, C, H, W)`,
            or for `kind="tokens"` a sequence of tokens, `(b, L, C)`.
        latent_channels: C_r; more: more rate, better task.
        stride: S; larger: fewer symbols.
        step: Q; larger: less rate.
        alpha: Weight of their loss; larger: more rate, better task.
        codec: Name of the codec that makes the bytes, of the unit's symbols or of its latent.
        rate: Makes what is paid for the latent from its shape, the pixels of an image and the step; `None`:
            `L1Rate`.
        optimizer: Makes the optimizer from the parameters of unit and rate; `None`: Adam at 1e-3.
        scheduler: Makes a schedule from `optimizer` and `total_steps`, stepped after every batch, or `None`.
        example: A batch of images as the module's `forward` takes it. `None`: the first training batch goes
            through `training_step` as far as the split point, which shows the feature's size.
        kind: What is trained: a name of `bottleneck.unit.UNITS`.
        unit: Further options of that unit, such as `activation` and `kernel` of `depthwise`.

    Raises:
        ValueError: If an argument is unknown or out of range.
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
        rate: RateFactory | None = None,
        optimizer: Callable[..., torch.optim.Optimizer] | None = None,
        scheduler: Schedule | None = cosine,
        example: Tensor | None = None,
        kind: str = "depthwise",
        **unit: Any,
    ):
        super().__init__()
        options = {"latent_channels": latent_channels, "stride": stride, "step": step, **unit}
        self.point = OperatingPoint(options, alpha, kind, rate or L1Rate, codec={"name": codec})
        if self.point.replaces:
            behind = sorted(name for name, known in UNITS.items() if not known.replaces)
            raise ValueError(f"kind={kind!r} replaces the module at the split point. Choose from {behind}.")
        self.at, self.example, self.make_schedule = at, example, scheduler
        self.make_optimizer = optimizer or functools.partial(torch.optim.Adam, lr=1e-3)
        self._module: Any = None
        self._insertion: Insertion | None = None
        self._hook: Hook | None = None
        self._digests: dict[str, bytes] = {}
        self._frozen: FrozenTensors | None = None
        self._measured: dict[str, float] = {}
        self._is_first_process = True

    # What a user calls -------------------------------------------------------------------------

    @property
    def unit(self) -> Unit | None:
        """The unit, once a training has begun or a checkpoint was read; it stays after `detach`."""
        return None if self._hook is None else self._hook.unit

    def export(self, folder: str | Path) -> None:
        """Write the trained unit as a bundle: `device, server = bottleneck.load(folder, network)`.

        The network is the LightningModule itself where its own `forward` can be cut, else the outermost
        submodule that can; `bundle.json` names it. With DDP the first process writes.

        Raises:
            ValueError: If nothing is trained yet or training diverged, or no network around the split point
                can be cut there.
        """
        hook = self._trained("export")
        if (why := divergence(hook.unit)) is not None:
            raise ValueError(f"This unit makes no bundle: {why}. The plugin takes another as optimizer=.")
        sizes = [size for name, size in self._measured.items() if name.endswith("/payload_bytes")]
        if sizes and max(sizes) <= 1:
            warnings.warn(
                "This unit sends nothing, every latent is zero. Lower step, raise alpha, or train longer.",
                stacklevel=2,
            )
        hook.fit_tables()
        if self._is_first_process:
            bundle_of(self._module, hook, self._measured).save(folder)

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
            check_training(trainer, pl_module, self)
        self._is_first_process = trainer.is_global_zero
        if self._insertion is not None:
            self._insertion.check(pl_module)
            self._send("quantise")
            return
        insertion = Insertion(pl_module)
        insertion.override("configure_model", self._configure_model)  # by then the whole network exists
        insertion.override("on_save_checkpoint", self._save)
        insertion.override("on_load_checkpoint", self._load)
        # These are called behind the callbacks' own, where an averaging one exchanges weights.
        insertion.override("on_validation_epoch_start", self._begin_validation)
        insertion.override("on_train_end", self._end_training)
        self._module, self._insertion, self._hook = pl_module, insertion, None

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._send(None)
        self._frozen = None

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._send(None)
        if self._hook is None:
            self.detach(pl_module)  # it failed before there was anything to keep

    def _configure_model(self, theirs: Callable[[], None]) -> None:
        theirs()
        check_name(self._module, self.at)
        if self._hook is not None or self._module.trainer.state.fn != "fit":
            return
        assert self._insertion is not None
        self._insertion.override("log", lambda *_, **__: None)  # looking is not one of the training's steps
        try:
            with torch.device("cpu"):  # Lightning makes the accelerator the default; samplers need this one
                hook = new_hook(self._module.trainer, self._module, self.at, self.point, self.example)
        finally:
            self._insertion.restore("log")
        self._insert(hook)

    def _insert(self, hook: Hook) -> None:
        assert self._insertion is not None
        self._insertion.insert(hook.to(self._module.device))
        self._insertion.override("training_step", self._training_step)
        self._insertion.override("backward", self._backward)
        self._insertion.override("configure_optimizers", self._configure_optimizers)
        self._insertion.override("lr_scheduler_step", _step_schedule)
        self._hook = hook
        self._send("quantise")

    # Training ----------------------------------------------------------------------------------

    def _configure_optimizers(self, theirs: Callable[[], Any]) -> Any:
        optimizer = self.make_optimizer(self._trained("train").parameters())
        return with_schedule(optimizer, self.make_schedule, self._module.trainer)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self._frozen = FrozenTensors(pl_module, f"{UNIT_NAME}.", trainer.callbacks)
        self._digests, self._measured = tensor_digests(pl_module), {}

    @functools.partial(uncompiled, recursive=False)
    def _training_step(self, theirs: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Their step, with the rate added to its loss; elsewhere it is what their other steps call it for."""
        if not self._module.trainer.training:
            return theirs(*args, **kwargs)
        self._module.eval()
        output, terms = self._trained("train").step(functools.partial(theirs, *args, **kwargs))
        if terms is None:
            return None  # Lightning skips the batch
        self._module.log_dict({"train/rate": terms.rate.detach(), "train/task_loss": terms.task.detach()})
        return {**output, "loss": terms.loss} if isinstance(output, Mapping) else terms.loss

    def _backward(self, theirs: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        self._trained("train").backward(functools.partial(theirs, *args, **kwargs))

    def _end_training(self, theirs: Callable[[], None]) -> None:
        self._put_back()
        after = tensor_digests(self._module)
        if changed := [name for name, digest in self._digests.items() if after.get(name) != digest]:
            warnings.warn(
                f"These frozen tensors changed during training: {changed}. Code of the module or of another "
                "callback writes to them; the bottleneck was trained for what they were on the way.",
                stacklevel=2,
            )
        theirs()

    def _put_back(self) -> None:
        if self._frozen is not None:
            self._frozen.put_back()

    # Validation, test, prediction --------------------------------------------------------------

    def _begin_validation(self, theirs: Callable[[], None]) -> None:
        self._put_back()
        trainer = self._module.trainer
        if not trainer.sanity_checking:
            self.on_test_start(trainer, self._module)
        theirs()

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        hook = self._trained("measure")
        hook.fit_tables(trainer.strategy.broadcast)
        hook.begin()
        self._send("transmit")

    on_predict_start = on_test_start

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.sanity_checking:
            return
        hook, stage = self._trained("measure"), "test" if trainer.testing else "val"
        if not (sizes := hook.payload_bytes):
            raise ValueError(f"at={self.at!r} was not run in {stage}, so nothing was sent there.")
        mean, bpp = sum(sizes) / len(sizes), 8 * sum(sizes) / sum(hook.pixels)
        named = {f"{stage}/payload_bytes": mean, f"{stage}/bpp": bpp}
        pl_module.log_dict(named, batch_size=len(sizes), sync_dist=True)

    on_validation_epoch_end = on_test_epoch_end

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        self._send("quantise")
        if not trainer.sanity_checking:
            self._measured = {name: value.item() for name, value in trainer.callback_metrics.items()}

    on_validation_end = on_test_end

    # Checkpoints -------------------------------------------------------------------------------

    def _save(self, theirs: Callable[[dict[str, Any]], None], checkpoint: dict[str, Any]) -> None:
        if self._hook is not None:
            put(checkpoint, self._hook, self._frozen, self._module.trainer.strategy.broadcast)
        theirs(checkpoint)

    def _load(self, theirs: Callable[[dict[str, Any]], None], checkpoint: dict[str, Any]) -> None:
        theirs(checkpoint)
        saved = entry.take(checkpoint)
        wanted = {
            "at": self.at,
            "codec": self.point.codec["name"],
            "kind": self.point.kind,
            **self.point.unit,
        }
        saved.check(wanted if self._hook is None else wanted | self._hook.unit.options)
        if self._hook is None:
            image = torch.zeros(saved.about["image_shape"], dtype=getattr(torch, saved.about["image_dtype"]))
            self._insert(Hook(self.at, self.point, saved.unit, saved.channel.codec, image))
        put_back(checkpoint, saved, self._trained("resume"))

    def _trained(self, action: str) -> Hook:
        if self._hook is None:
            raise ValueError(
                f"There is no bottleneck to {action} yet. Fit with this plugin first, or give the Trainer "
                "the ckpt_path of a training with it; for the module's own results leave the plugin out."
            )
        return self._hook

    def _send(self, how: str | None) -> None:
        if self._hook is not None:
            self._hook.send = getattr(self._hook, how) if how else None


def _step_schedule(theirs: Callable[..., None], scheduler: Any, metric: Any) -> None:
    """Step our schedule as Lightning does by default, whatever the module does with its own."""
    scheduler.step()
