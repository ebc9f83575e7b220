"""What every analysis starts from: some images, their features, and the network behind the cut."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from bottleneck.experiment import Experiment
from bottleneck.tasks import Task

_BATCH = 32  # images that go through head or tail at once

#: Axes of a batch, by layout, in the order (n, C, H, W).
_TO_MAPS = {"CHW": (0, 1, 2, 3), "HWC": (0, 3, 1, 2)}


@dataclass
class Samples:
    """Images, and both halves of a network that is frozen.

    Attributes:
        title: Network, split point, data set and number of images, for pictures.
        images: uint8, shape ``(n, c, h, w)``.
        targets: What the task judges by, one for each image: labels ``(n,)``, masks ``(n, h, w)``.
        training: As many images of `train`, to fit on.
        head: Images to features, ``(b, C, H, W)``.
        tail: Features to logits; tensors on any device.
        task: Knows the metric.
    """

    title: str
    images: Tensor
    targets: Tensor
    training: Tensor
    head: Callable[[Tensor], Tensor]
    tail: Callable[[Tensor], Tensor]
    task: Task

    @classmethod
    def of(cls, cfg: DictConfig) -> "Samples":
        """Images evenly spread over a subset, so that all classes take part.

        The head runs on these few; the feature cache would begin with the features of all training images.

        Args:
            cfg: The composed configuration (`conf/analyze.yaml`).

        Raises:
            ValueError: If there are no samples, or the feature at the split point is no map.
        """
        if cfg.samples < 1:
            raise ValueError(f"samples={cfg.samples} leaves nothing to analyse. Use 1 or more.")
        experiment = Experiment.from_config(cfg)
        net = experiment.split(cfg.split)
        device, name, layout = experiment.image.device, net.point.name, net.point.layout
        if layout not in _TO_MAPS:
            raise ValueError(
                f"split={name} has a feature of layout {layout}, the analyses are of maps. Choose a split "
                "point of layout CHW or HWC; `python -m bottleneck.profile` lists them."
            )
        to_maps = _TO_MAPS[layout]
        from_maps = np.argsort(to_maps).tolist()
        images, targets = _spread(experiment.images.subset(cfg.subset), cfg.samples)
        return cls(
            title=f"{experiment.model.name} at {name}, {experiment.images.name}, n = {len(images)}",
            images=images,
            targets=targets,
            training=_spread(experiment.images.subset("train"), cfg.samples)[0],
            head=lambda image: net.head(image.to(device)).permute(to_maps).float(),
            tail=lambda maps: net.tail(maps.to(device).permute(from_maps)),
            task=experiment.task,
        )

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Of the images. Shape ``(n, C, H, W)``."""
        return self.features_of(self.images)

    def features_of(self, images: Tensor) -> NDArray[np.float32]:
        """Of any images of the same size."""
        return _batched(self.head, images).numpy()

    def logits(self, features: NDArray[np.float32]) -> Tensor:
        """Outputs of the tail. Shape ``(n, classes)``."""
        return _batched(self.tail, torch.from_numpy(features))

    def metric(self, features: NDArray[np.float32]) -> float:
        """The task's metric through the images' features, or through what became of them."""
        return self._judged(self.logits(features), self.targets)

    def feature_scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """The metric of each image alone, through its feature or what became of it. Shape ``(n,)``."""
        pairs = zip(self.logits(features).split(1), self.targets.split(1), strict=True)
        return np.array([self._judged(logits, target) for logits, target in pairs])

    def image_scores(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The metric of each image, or of what became of it. Shape ``(n,)``."""
        return self.feature_scores(self.features_of(torch.from_numpy(images)))

    def _judged(self, logits: Tensor, targets: Tensor) -> float:
        metrics = self.task.metrics()
        metrics.update(logits, targets)
        return float(metrics.compute()[self.task.metric])


def _spread(subset: Dataset, n: int) -> tuple[Tensor, Tensor]:
    """At most `n` images, evenly spread over a subset, and what they are judged by."""
    positions = np.unique(np.linspace(0, len(subset) - 1, n).round().astype(int))  # type: ignore[arg-type]
    images, targets = zip(*(subset[position] for position in positions.tolist()), strict=True)
    return torch.stack(images), default_collate(list(targets))


@torch.no_grad()
def _batched(function: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
    return torch.cat([function(part).cpu() for part in tensor.split(_BATCH)])
