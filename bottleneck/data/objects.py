"""Data sets for detectors: every target is about the objects in its image."""

from typing import Any

from torch import Tensor
from torch.utils.data import default_collate

from bottleneck.data.base import ImageData
from bottleneck.models.image_sizes import Letterboxed
from bottleneck.tasks.objects import PACKED_SHAPE, pack


class Objects(ImageData):
    """What `ImageData` is where images have a varying number of objects, and may have any size.

    A stored target is a dictionary with the image's `size`, height and width, beside what is in it. A batch
    is two lists, images and targets, as torchvision's detectors take them. With a letterbox all images have
    one size; a batch is then two tensors, and a target what `tasks.objects.pack` makes.

    Args:
        letterbox: Pixels of both sides of the square that every image goes into (`preprocess`), for
            single-stage detectors. ``None``: images keep their size.
        options: Of the data set.
    """

    def __init__(self, *options: Any, letterbox: int | None = None, **named: Any) -> None:
        super().__init__(*options, **named)
        self.letterbox = letterbox
        self.transform("val")  # a side that is none is reported now, not at the first image

    @property
    def image_shape(self) -> tuple[int, int, int]:
        if self.letterbox is None:
            return super().image_shape  # type: ignore[safe-super]
        return (3, self.letterbox, self.letterbox)

    @property
    def preprocessing(self) -> dict[str, int]:
        return {} if self.letterbox is None else {"letterbox": self.letterbox}

    @property
    def target_layout(self) -> tuple[tuple[int, ...], str] | None:
        return None if self.letterbox is None else (PACKED_SHAPE, "float32")

    def target_transform(self, target: Any) -> Any:
        objects = {key: value for key, value in target.items() if key != "size"}
        if self.letterbox is None:
            return objects
        height, width = target["size"]
        return pack(objects, Letterboxed(height, width, self.letterbox))

    def collate(self, samples: list[tuple[Tensor, Any]]) -> Any:
        if self.letterbox is not None:
            return default_collate(samples)
        images, targets = zip(*samples, strict=True)
        return list(images), list(targets)
