"""Data sets for detectors: every target is about the objects in its image."""

from typing import Any

from torch import Tensor
from torch.utils.data import default_collate

from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.data.base import ImageData
from bottleneck.tasks.objects import PACKED_SHAPE, pack


class Objects(ImageData):
    """What `ImageData` is where images have a varying number of objects, and may have any size.

    A stored target is a dictionary with the image's `size`, height and width, beside what is in it. A batch
    is two lists, images and targets, as torchvision's detectors take them. With a letterbox all images have
    one size; a batch is then two tensors, and a target what `tasks.objects.pack` makes.

    Args:
        letterbox: Pixels of both sides of the square that every image goes into (`preprocess`), for
            single-stage detectors. ``None``: images keep their size.
        views: How many views of each letterboxed image ``train`` has (`data/views.py`), the same ones in
            every run. Nobody says where the objects are in them: single-stage detectors learn from the frozen
            network's rows alone, and a view keeps the photograph's target.
        options: Of the data set.

    Raises:
        ValueError: If there is no view, or there are several of images whose objects are learned from.
    """

    def __init__(self, *options: Any, letterbox: int | None = None, views: int = 1, **named: Any) -> None:
        super().__init__(*options, **named)
        if views < 1 or (views > 1 and letterbox is None):
            raise ValueError(
                f"data.views={views}, data.letterbox={letterbox}: give at least 1 view, and several only of "
                "letterboxed images (data.letterbox=416), whose objects nothing is learned from."
            )
        self.letterbox, self.views = letterbox, views
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
