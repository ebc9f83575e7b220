"""What becomes of trained channels: their rows, what is wrong with them, and a bundle or a frontier."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from bottleneck.channel import Channel
from bottleneck.commands.setup import also_channels
from bottleneck.commands.values import listed
from bottleneck.cut import Cut
from bottleneck.deploy.frontier import FRONTIER_FILES, Point, write_frontier
from bottleneck.files import replace_folder
from bottleneck.loss import OperatingPoint
from bottleneck.measure.health import ailment, divergence
from bottleneck.measure.results import Result

log = logging.getLogger(__name__)


def keep_bundle(
    cfg: DictConfig, cut: Cut, channel: Channel, point: OperatingPoint, folder: Path
) -> list[Result]:
    """Measure a channel, also through `also_codecs`, and write its bundle where one can be loaded.

    Args:
        cfg: The composed configuration of `train`.
        cut: Where the channel was trained, with the tail that was trained with it, if any.
        channel: Trained, its codec fitted.
        point: What it was trained towards.
        folder: The run's, which receives bundle/.
    """
    unit = channel.unit
    assert unit is not None, "it was trained"
    label = {"name": channel.name, "family": channel.family}
    also = also_channels(cut, unit, listed(cfg.also_codecs), channel.codec.name, **label)
    cut.fit(also)
    rows = cut.measure([channel, *also], cfg.subset, cfg.seed)
    own = rows[0]
    changed = [unit] if cut.trainable == "bottleneck" else [unit, cut.net.tail]
    if (why := ailment(own, *changed) or cut.guesses(own, cfg.subset)) is not None:
        log.warning("this unit is of no use: %s", why)
    if (missed := point.missed(own.payload_bytes or 0.0, own.drop_interval or (0.0, 0.0))) is not None:
        log.warning("not what was asked for: %s", missed)
    if divergence(*changed) is not None:
        log.warning("no bundle is written: weights that are no numbers would not be read")
    elif cut.net.point.complete:
        cut.bundle(channel, {**dataclasses.asdict(own), "alpha": point.alpha}).save(folder / "bundle")
    else:
        log.warning("no bundle is written: behind an open cut no server could go on from the payload")
    return rows


def keep_frontier(
    cfg: DictConfig, cut: Cut, channels: Sequence[Channel], point: OperatingPoint, folder: Path
) -> list[Result]:
    """Measure the rates of one unit, and write those that are of use as a frontier.

    Args:
        cfg: As for `keep_bundle`.
        cut: Where they were trained.
        channels: One for each rate, their codecs fitted.
        point: What they were trained towards.
        folder: The run's, which receives frontier/.
    """
    rows = cut.measure(channels, cfg.subset, cfg.seed)
    useful = []
    for row, channel in zip(rows, channels, strict=True):
        assert channel.unit is not None, "it was trained"
        if (why := ailment(row, channel.unit) or cut.guesses(row, cfg.subset)) is None:
            useful.append((row, channel))
        else:
            log.warning("the rate of %.1f bytes is no point of the frontier: %s", row.payload_bytes, why)
    if not useful:
        return rows
    points = []
    with replace_folder(folder / "frontier", *FRONTIER_FILES) as fresh:
        for number, (row, channel) in enumerate(sorted(useful, key=lambda pair: pair[0].payload_bytes or 0)):
            sent = (row.payload_bytes or 0) + 1  # the id's byte
            points.append(Point(number, f"point-{number:02}", 8 * sent / cut.pixels, sent, row.value))
            bundle = cut.bundle(channel, {**dataclasses.asdict(row), "alpha": point.alpha})
            bundle.save(fresh / points[-1].bundle)
        write_frontier(fresh, points, {"metric": cut.task.metric})
    return rows
