"""What every analysis starts from: some images, their features, and the network behind the cut."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import default_collate

from bottleneck.cut import Cut
from bottleneck.data.base import ImageData
from bottleneck.tasks import Task

_BATCH = 32  # images that go through head or tail at once


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
    def of(cls, cut: Cut, count: int, subset: str = "val") -> "Samples":
        """Images evenly spread over a subset, so that all classes take part.

        The head runs on these few; the feature cache would begin with the features of all training images.

        Args:
            cut: A closed cut.
            count: How many images at most.
            subset: `val`, `select` or `train`.

        Raises:
            ValueError: If there are no samples, the feature at the split point is no map, or the task judges
                by more than one tensor.
        """
        if count < 1:
            raise ValueError(f"samples={count} leaves nothing to analyse. Use 1 or more.")
        if isinstance(cut.images.subset(subset)[0][1], dict):
            raise ValueError(
                f"{cut.images.name} has boxes and labels for each image, the analyses are of answers that "
                "are one tensor. Use task=classification or task=segmentation."
            )
        net, device, point = cut.net, cut.image.device, cut.net.point
        if point.layout not in ("CHW", "HWC"):
            raise ValueError(
                f"split={point.name} has a feature of layout {point.layout}, the analyses are of maps. "
                "Choose a split point of layout CHW or HWC; `bottleneck profile` lists them."
            )
        images, targets = _spread(cut.images, subset, count)
        return cls(
            title=f"{cut.model.name} at {point.name}, {cut.images.name}, n = {len(images)}",
            images=images,
            targets=targets,
            training=_spread(cut.images, "train", count)[0],
            head=lambda image: point.layout.channels_first(net.at_cut(net.head(image.to(device)))).float(),
            tail=lambda maps: net.tail(point.layout.channels_back(maps.to(device))),
            task=cut.task,
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


def _spread(data: ImageData, subset: str, n: int) -> tuple[Tensor, Tensor]:
    """At most `n` images, evenly spread over a subset, and what they are judged by."""
    images, targets = zip(*data.subset(subset).spread(n), strict=True)
    return torch.stack(images), default_collate(list(targets))


@torch.no_grad()
def _batched(function: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
    return torch.cat([function(part).cpu() for part in tensor.split(_BATCH)])
