"""`bottleneck train`: train one bottleneck, code the validation set through it, and export it."""

import contextlib
import dataclasses
import logging
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from bottleneck.commands.construct import construct
from bottleneck.commands.multirun import measured_once
from bottleneck.commands.outputs import FILES, write_outputs
from bottleneck.commands.setup import also_channels, cut_of, listed, point_of, recipe_of, suite_channels
from bottleneck.commands.stopping import resumable
from bottleneck.cut import Cut
from bottleneck.deploy.frontier import FRONTIER_FILES, Point, write_frontier
from bottleneck.files import replace_folder
from bottleneck.loss import OperatingPoint
from bottleneck.measure.health import ailment, divergence
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
    if cfg.trainable not in ("bottleneck", "tail", "all"):
        raise ValueError(
            f"trainable={cfg.trainable} is unknown. Use bottleneck, tail to train the server's half of the "
            "network too, or all for both halves."
        )
    point, recipe = point_of(cfg), recipe_of(cfg)
    for name in listed(cfg.also_codecs):
        latent_codec([(1, 1, 1)], name)  # a wrong one must not cost a training
    if cfg.ckpt_path is not None and not Path(cfg.ckpt_path).is_file():
        raise FileNotFoundError(
            f"ckpt_path={cfg.ckpt_path} is no file. Give RUN/checkpoints/last.ckpt, or null."
        )
    cut = cut_of(cfg, point.kind)
    untrained = suite_channels(cfg.suite, cut, "feature")
    whole = cut.at("input") if cfg.suite.input else cut
    pictures = suite_channels(cfg.suite, whole, "input")
    log.info("%s cut at %s: feature %s", cut.model.name, cut.net.point.name, cut.net.point.shape)
    loggers, callbacks = run_outputs(cfg, folder)
    outputs: dict[str, Any] = {"logger": loggers, "callbacks": callbacks, "default_root_dir": folder}
    several = point.rates > 1 and cfg.trainable == "bottleneck"
    trained = (_train_rates if several else _train_one)(cfg, cut, point, recipe, folder, outputs)
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


def _train_one(
    cfg: DictConfig, cut: Cut, point: OperatingPoint, recipe: Recipe, folder: Path, outputs: dict[str, Any]
) -> list[Result]:
    """Train one rate, measure it, also through further codecs, and write its bundle."""
    if cfg.trainable == "all":
        tuned, channel = train_end_to_end(cut, point, recipe, ckpt_path=cfg.ckpt_path, **outputs)
    elif cfg.trainable == "tail":
        tuned, channel = train_with_tail(cut, point, recipe, ckpt_path=cfg.ckpt_path, **outputs)
    else:
        tuned, channel = cut, train(cut, point, recipe, ckpt_path=cfg.ckpt_path, **outputs)
    if channel is None or channel.unit is None:
        return []
    if cfg.trainable == "all":  # a tail of its own is in the bundle
        write_state_dict(tuned.model.network.state_dict(), folder / "network.safetensors")
    label = {"name": channel.name, "family": channel.family}
    also = also_channels(tuned, channel.unit, listed(cfg.also_codecs), channel.codec.name, **label)
    tuned.fit(also)
    trained = tuned.measure([channel, *also], cfg.subset, cfg.seed)
    changed = [channel.unit] if tuned.trainable == "bottleneck" else [channel.unit, tuned.net.tail]
    if (why := ailment(trained[0], *changed) or cut.guesses(trained[0], cfg.subset)) is not None:
        log.warning("this unit is of no use: %s", why)
    sent, lost = trained[0].payload_bytes or 0.0, trained[0].drop_interval or (0.0, 0.0)
    if (missed := point.missed(sent, lost)) is not None:
        log.warning("not what was asked for: %s", missed)
    if divergence(*changed) is not None:
        log.warning("no bundle is written: weights that are no numbers would not be read")
    elif cut.net.point.complete:
        result = {**dataclasses.asdict(trained[0]), "alpha": point.alpha}
        tuned.bundle(channel, result).save(folder / "bundle")
    else:
        log.warning("no bundle is written: behind an open cut no server could go on from the payload")
    return trained


def _train_rates(
    cfg: DictConfig, cut: Cut, point: OperatingPoint, recipe: Recipe, folder: Path, outputs: dict[str, Any]
) -> list[Result]:
    """Train several rates of one unit, measure them, and write them as a frontier."""
    channels = train_rates(cut, point, recipe, ckpt_path=cfg.ckpt_path, **outputs)
    trained = cut.measure(channels, cfg.subset, cfg.seed)
    if not trained:
        return []
    points, useful = [], []
    for row, channel in zip(trained, channels, strict=True):
        assert channel.unit is not None, "it was trained"
        if (why := ailment(row, channel.unit) or cut.guesses(row, cfg.subset)) is None:
            useful.append((row, channel))
        else:
            log.warning("the rate of %.1f bytes is no point of the frontier: %s", row.payload_bytes, why)
    if not useful:
        return trained
    cheapest_first = sorted(useful, key=lambda pair: pair[0].payload_bytes or 0)
    with replace_folder(folder / "frontier", *FRONTIER_FILES) as fresh:
        for number, (row, channel) in enumerate(cheapest_first):
            sent = (row.payload_bytes or 0) + 1  # the id's byte
            points.append(Point(number, f"point-{number:02}", 8 * sent / cut.pixels, sent, row.value))
            bundle = cut.bundle(channel, {**dataclasses.asdict(row), "alpha": point.alpha})
            bundle.save(fresh / points[-1].bundle)
        write_frontier(fresh, points, {"metric": cut.task.metric})
    return trained


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
