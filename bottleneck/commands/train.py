"""`bottleneck train`: train one bottleneck, code the validation set through it, and export it."""

import contextlib
import logging
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from bottleneck.commands.construct import construct
from bottleneck.commands.kept import keep_bundle, keep_frontier
from bottleneck.commands.multirun import measured_once
from bottleneck.commands.outputs import FILES, write_outputs
from bottleneck.commands.setup import cut_of, point_of, recipe_of, suite_channels
from bottleneck.commands.stopping import resumable
from bottleneck.commands.values import listed
from bottleneck.cut import Cut
from bottleneck.loss import OperatingPoint
from bottleneck.measure.results import Result
from bottleneck.models.checkpoints import write_state_dict
from bottleneck.show.tables import table
from bottleneck.training import Recipe
from bottleneck.training.loop import train, train_end_to_end, train_rates, train_with_tail
from bottleneck.unit import latent_codec

log = logging.getLogger(__name__)


def train_and_measure(cfg: DictConfig, folder: Path) -> list[Result]:
    """Train, code, measure and export one operating point.

    Args:
        cfg: The composed configuration (`conf/train.yaml`).
        folder: The run's folder, which receives bundle/, results, the picture, logs and checkpoints.

    Returns:
        The rows of results.jsonl: the frozen network, the bottleneck, its latent through `also_codecs`, then
        the suite's methods.
    """
    _check(cfg)
    point, recipe = point_of(cfg), recipe_of(cfg)
    cut = cut_of(cfg, point.kind)
    whole = cut.at("input") if cfg.suite.input else cut
    untrained, pictures = suite_channels(cfg.suite, cut, "feature"), suite_channels(cfg.suite, whole, "input")
    log.info("%s cut at %s: feature %s", cut.model.name, cut.net.point.name, cut.net.point.shape)
    trained = _train(cfg, cut, point, recipe, folder)
    if not trained:  # another process of this run measures
        return []

    def measure_untrained() -> list[Result]:
        cut.fit(untrained)
        whole.fit(pictures)
        here = cut.measure(untrained, cfg.subset, cfg.seed)
        return here + whole.measure(pictures, cfg.subset, cfg.seed)

    rows = [cut.frozen(cfg.subset), *trained, *measured_once(cfg, measure_untrained)]
    write_outputs(rows, folder)
    return rows


def _check(cfg: DictConfig) -> None:
    """Refuse what would cost a training before it is noticed."""
    if cfg.trainable not in ("bottleneck", "tail", "all"):
        raise ValueError(
            f"trainable={cfg.trainable} is unknown. Use bottleneck, tail to train the server's half of the "
            "network too, or all for both halves."
        )
    for name in listed(cfg.also_codecs):
        latent_codec([(1, 1, 1)], name)
    if cfg.ckpt_path is not None and not Path(cfg.ckpt_path).is_file():
        raise FileNotFoundError(
            f"ckpt_path={cfg.ckpt_path} is no file. Give RUN/checkpoints/last.ckpt, or null."
        )


def _train(cfg: DictConfig, cut: Cut, point: OperatingPoint, recipe: Recipe, folder: Path) -> list[Result]:
    """Train what `trainable` names, and keep what came of it; no rows in all but the first process."""
    loggers, callbacks = run_outputs(cfg, folder)
    options: dict[str, Any] = {"logger": loggers, "callbacks": callbacks, "default_root_dir": folder}
    options["ckpt_path"] = cfg.ckpt_path
    if cfg.trainable == "bottleneck" and point.rates > 1:
        rates = train_rates(cut, point, recipe, **options)
        return keep_frontier(cfg, cut, rates, point, folder) if rates else []
    if cfg.trainable == "all":
        tuned, channel = train_end_to_end(cut, point, recipe, **options)
    elif cfg.trainable == "tail":
        tuned, channel = train_with_tail(cut, point, recipe, **options)
    else:
        tuned, channel = cut, train(cut, point, recipe, **options)
    if channel is None:
        return []
    if cfg.trainable == "all":  # a tail of its own is in the bundle
        write_state_dict(tuned.model.network.state_dict(), folder / "network.safetensors")
    return keep_bundle(cfg, tuned, channel, point, folder)


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
        loggers.append(construct(cfg.trainer.logger))
    if "callbacks" in cfg.trainer:
        callbacks.append(construct(cfg.trainer.callbacks))
    return loggers, callbacks


def _going_on(last: Path) -> str:
    """How a training that was stopped goes on, where it has a checkpoint."""
    if not last.exists():
        return ""
    return f"The same command with ckpt_path={last} goes on after its last whole epoch."


def run(cfg: DictConfig) -> None:
    """Train, and print the table."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    with resumable(lambda: _going_on(folder / "checkpoints" / "last.ckpt")):
        rows = train_and_measure(cfg, folder)
    if rows:
        print(table(rows))
        made = "".join(f"{name}/, " for name in ("bundle", "frontier") if (folder / name).is_dir())
        print(f"\nWritten to {folder}: {made}{FILES}")
