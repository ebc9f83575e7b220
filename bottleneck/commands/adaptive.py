"""From `adaptive` of a configuration to a frontier that knows which images are hard, and its rows.

training images ──► a classifier ┐
select ───────────► risks, price ┴─► hardness ──► frontier/ in the run's folder
                                        └─► the point of each image of the subset ──► a row for each mean
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig

from bottleneck.channel import Channel
from bottleneck.commands.values import listed
from bottleneck.cut import Cut
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import with_hardness
from bottleneck.deploy.hardness import Hardness, Judged, grid_means
from bottleneck.deploy.places import found
from bottleneck.devices import device_of
from bottleneck.measure.harness import Measured
from bottleneck.measure.mixed import mixed_row
from bottleneck.measure.results import Result


def check_adaptive(cfg: DictConfig, paths: Sequence[str], bundles: Sequence[Bundle], cut: Cut) -> None:
    """Refuse what cannot be calibrated, before anything is measured.

    Args:
        cfg: `adaptive` of the configuration.
        paths: `bundles` of the configuration.
        bundles: What lies there.
        cut: Network, images and task that they are measured with.

    Raises:
        ValueError: If a number is none, the bundles are not the points of one frontier of a classifier, or no
            images are held out.
    """
    means, task = listed(cfg.mean_bytes), cut.task.name
    for mean in means:
        if not isinstance(mean, (int, float)) or not mean > 0:
            raise ValueError(f"adaptive.mean_bytes={mean} is no number of bytes. Use above 0, such as 8.")
    if means and task != "classification":
        raise ValueError(
            f"adaptive.mean_bytes={means}: the answers of task={task} have no probability each. Set it to []."
        )
    if means and (len(paths) != 1 or len(bundles) < 2 or len({bundle.place for bundle in bundles}) > 1):
        raise ValueError(
            f"adaptive.mean_bytes={means} chooses among the points of one frontier at one cut, and "
            f"bundles={list(paths)} has {len(bundles)} points. Name one frontier of two points at least."
        )
    if means and not cut.images.count("select"):
        raise ValueError(
            f"adaptive.mean_bytes={means} is calibrated on images that units have not learned from, and none "
            "are held out. Train with data.holdout=0.1, and set it here as well."
        )


def adaptive(
    cfg: DictConfig,
    points: Sequence[str],
    sent: Sequence[tuple[Cut, Sequence[Channel]]],
    measured: Sequence[Measured],
    folder: Path,
) -> list[Result]:
    """Learn which images are hard, write the frontier with that, and a row for each mean that is asked for.

    Args:
        cfg: The configuration.
        points: Names of the frontier's channels, in its order.
        sent: Channels, theirs among them, and where they send.
        measured: The same on `subset`.
        folder: The run's.

    Raises:
        ValueError: If there is too little to learn from, or a mean is below the cheapest point's.
    """
    place = next(place for place, channels in sent if points[0] in {channel.name for channel in channels})
    by_name = {channel.name: channel for _, channels in sent for channel in channels}
    hardness = _calibrated(place, [by_name[name] for name in points])
    with_hardness(found(listed(cfg.bundles)[0]), hardness, folder / "frontier")
    on_subset = {one.row.method: one for one in measured}
    each = [on_subset[name] for name in points]
    scores = np.stack([one.tally.scores() for one in each], 1)
    sizes = np.stack([one.payload_bytes + 1 for one in each], 1)  # a byte names the point
    means, _ = _seen(place, cfg.subset)
    every, rows = np.arange(len(means)), []
    for mean in listed(cfg.adaptive.mean_bytes):
        at = hardness.choose(torch.from_numpy(means), mean)
        rows.append(mixed_row(each[0], scores[every, at], sizes[every, at], "adaptive", f"{mean:g}"))
    return rows


def _calibrated(place: Cut, channels: Sequence[Channel]) -> Hardness:
    measured = place.samples(channels, "select")
    judged = Judged(
        means=_seen(place, "select")[0],
        sureness=np.stack([one.tally.sureness() for one in measured], 1),
        payload_bytes=np.stack([one.payload_bytes + 1 for one in measured], 1),
    )
    return Hardness.fit(*_seen(place, "train"), judged)


@torch.no_grad()
def _seen(place: Cut, subset: str) -> tuple[np.ndarray, np.ndarray]:
    """Means of the feature and the network's answer, of every image."""
    net, means, answers = place.net, [], []
    for given, _ in place.features.batches(subset):
        means.append(grid_means(given, net.entry.layout).cpu())
        answers.append(net.rest(given.to(device_of(net))).argmax(1).cpu())
    return torch.cat(means).numpy(), torch.cat(answers).numpy()
