"""Data sets for detectors: every target is a dictionary about the objects in its image."""

from typing import Any

from torch import Tensor

from bottleneck.data.base import ImageData


class Objects(ImageData):
    """What `ImageData` is where images have a varying number of objects, and may have any size.

    A batch is two lists, images and targets, as torchvision's detectors take them.
    """

    @property
    def target_layout(self) -> None:
        return None

    def target_transform(self, target: Any) -> Any:
        return target

    def collate(self, samples: list[tuple[Tensor, Any]]) -> Any:
        images, targets = zip(*samples, strict=True)
        return list(images), list(targets)
