"""From an untrained unit to a trained way of sending a feature: Lightning's part of an experiment."""

import contextlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, LightningDataModule, Trainer, seed_everything
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from pytorch_lightning.utilities.warnings import PossibleUserWarning

from bottleneck.experiment import Experiment, Features, latent_codec
from bottleneck.methods import Method
from bottleneck.splitting import SplitModel
from bottleneck.system import BottleneckSystem
from bottleneck.unit import Unit
from bottleneck.warm_start import WarmStart


def warm_start(experiment: Experiment, unit: Unit, features: Features) -> None:
    """Let a unit match the features first, for `warm_start.epochs`; see `WarmStart`."""
    cfg = experiment.cfg
    if cfg.warm_start.epochs == 0:
        return
    if cfg.open_cut:
        raise ValueError("warm_start.epochs > 0 matches closed cuts only. Set it to 0, or open_cut=false.")
    if unit.replaces:
        raise ValueError("warm_start.epochs: unit replaces a module; use objective=distillation instead.")
    options = {"max_epochs": cfg.warm_start.epochs, "limit_val_batches": 0, "enable_checkpointing": False}
    matching = WarmStart(
        unit,
        instantiate(cfg.rate),
        cfg.warm_start.alpha,
        experiment.image.shape[-2] * experiment.image.shape[-1],
        instantiate(cfg.optimizer),
        instantiate(cfg.scheduler),
    )
    new_trainer(cfg, [], [], **options).fit(matching, features)


def train_method(
    experiment: Experiment,
    system: BottleneckSystem,
    data: LightningDataModule,
    features: Features,
    trainer: Trainer,
    ckpt_path: str | None = None,
) -> Method | None:
    """Train a unit, then fit its codec's tables on the training features.

    Args:
        experiment: Says which codec, and on which device the method ends.
        system: What is trained, the unit in it.
        data: The batches that `system` takes: features or images.
        features: What the trained unit is to send.
        trainer: Trains.
        ckpt_path: Checkpoint to go on from.

    Returns:
        The trained way to send this feature, on the experiment's device, ready to be measured; `None`
        in all but the first process of a distributed run.

    Raises:
        ValueError: If the codec does not code symbols; before anything is trained.
    """
    unit = system.unit
    codec = latent_codec(unit, experiment.cfg.codec)
    trainer.fit(system, data, ckpt_path=ckpt_path)
    if not trainer.is_global_zero:
        return None
    system.to(experiment.image.device).eval()
    method = Method.of_unit("bottleneck", codec, unit)
    method.fit(features.batches("train"), system.net)
    return method


def train_unit(
    experiment: Experiment,
    net: SplitModel,
    features: Features,
    callbacks: Sequence[Callback] = (),
    **options: Any,
) -> Method:
    """Train the experiment's unit from its seed, warm start included, in this process; no file is written.

    Args:
        experiment: Says what is trained, and how.
        net: Its network, split.
        features: What the head gives at the cut.
        callbacks: Of the training proper.
        options: Further options of its trainer, over those of the configuration.

    Returns:
        The trained way to send this feature, ready to be measured.
    """
    cfg = experiment.cfg
    seed_everything(cfg.seed, workers=True, verbose=False)
    unit = experiment.new_unit(net, features)
    warm_start(experiment, unit, features)
    trainer = new_trainer(cfg, [], list(callbacks), enable_checkpointing=False, **options)
    method = train_method(experiment, experiment.system(unit, net), features, features, trainer)
    assert method is not None, "one process trains"
    return method


def run_outputs(cfg: DictConfig, folder: Path) -> tuple[list[Logger], list[Callback]]:
    """Loggers (CSV always, TensorBoard where installed) and callbacks that keep a run in its folder.

    One more of each may be configured: `+trainer.logger._target_=...`, `+trainer.callbacks._target_=...`.
    """
    loggers: list[Logger] = [CSVLogger(folder, name="logs", version="")]
    with contextlib.suppress(ModuleNotFoundError):  # TensorBoard is an optional extra
        loggers.append(TensorBoardLogger(folder, name="tensorboard", version=""))
    checkpoints = ModelCheckpoint(folder / "checkpoints", save_last=True, enable_version_counter=False)
    callbacks: list[Callback] = [checkpoints, LearningRateMonitor()]
    if "logger" in cfg.trainer:
        loggers.append(instantiate(cfg.trainer.logger))
    if "callbacks" in cfg.trainer:
        callbacks.append(instantiate(cfg.trainer.callbacks))
    return loggers, callbacks


def new_trainer(cfg: DictConfig, loggers: list[Logger], callbacks: list[Callback], **options: Any) -> Trainer:
    """A Lightning trainer from the configuration.

    Args:
        cfg: The composed configuration.
        loggers: Where it logs; none: nowhere.
        callbacks: Its callbacks.
        options: Further options of the trainer, over those of the configuration.
    """
    precision = str(cfg.trainer.precision)
    if precision.endswith("-true") and precision != "32-true":
        raise ValueError(
            f"trainer.precision={precision} would convert the frozen network too. Use bf16-mixed or 16-mixed."
        )
    # Lightning 2.6 still asks PyTorch in a way that PyTorch 2.15 deprecates.
    warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)
    # Both are meant: cached features need no workers, and the frozen network stays in eval mode.
    warnings.filterwarnings("ignore", "The '.*dataloader' does not have many workers", PossibleUserWarning)
    warnings.filterwarnings("ignore", "Found .* in eval mode", PossibleUserWarning)
    # What the user configured of these two is in the lists, where the trainer is to have it.
    configured = cast(dict[str, Any], OmegaConf.to_container(cfg.trainer, resolve=True))
    others = {key: value for key, value in configured.items() if key not in ("logger", "callbacks")}
    return instantiate(others, logger=loggers, callbacks=callbacks, **options)
