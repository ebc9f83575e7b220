"""Photographs with a picture of classes beside each: CamVid, and any data set that lies as it does.

root/  train/*       trainannot/*.png      a mask has its photograph's name; its grey levels, or numbers of
       test/*        testannot/*.png       a palette, are the classes
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bottleneck.data import files
from bottleneck.data.base import ImageData
from bottleneck.data.folders import listing
from bottleneck.data.samples import Lazily, Part


class MaskFolder(ImageData):
    """Photographs of one size with the class of every pixel, uint8 ``(H, W)``.

    Args:
        root: Folder with ``train``, ``trainannot``, and two more that are measured; its name is what results
            call the data set.
        classes: Names of the classes in the order of their numbers.
        size: Height and width of all photographs and masks in pixels.
        void: Class of pixels that are not judged, one of `classes` or beyond them; the task's `ignore_index`.
        measured: Name of the folder that is ``val``, such as ``test``; its masks lie in the like of
            ``testannot``.
        shared: `ImageData`'s arguments.
    """

    def __init__(
        self,
        root: str | Path,
        classes: Sequence[str],
        size: Sequence[int],
        void: int = 255,
        measured: str = "val",
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"data.size={list(size)} is no size. Give [height, width] in pixels.")
        self.root = Path(root).expanduser()
        self.name = self.root.absolute().name
        self.classes, self.size, self.void = list(classes), (size[0], size[1]), void
        self.folders = {"train": "train", "val": measured}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (3, *self.size)

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def target_layout(self) -> tuple[tuple[int, ...], str]:
        return self.size, "uint8"

    def target_transform(self, target: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(target)

    def read_part(self, part: str) -> Part:
        """Pair photographs with masks, by name.

        Raises:
            FileNotFoundError: If a folder or a mask is missing; it is named.
        """
        photographs = self.root / self.folders[part]
        masks = photographs.with_name(f"{photographs.name}annot")
        for folder in (photographs, masks):
            if not folder.is_dir():
                raise FileNotFoundError(
                    f"{folder} is not a folder. data.root={self.root} should hold train/, trainannot/, "
                    f"{self.folders['val']}/ and {self.folders['val']}annot/."
                )
        found = files.images_in(photographs)
        files.images_in(masks)  # which tells of what else lies there
        pairs = [(path, masks / f"{path.stem}.png") for path in found if path.parent == photographs]
        if not pairs:
            raise FileNotFoundError(f"{photographs} holds no image. Put photographs there.")
        if missing := [mask.name for _, mask in pairs if not mask.is_file()]:
            raise FileNotFoundError(f"{masks} lacks masks of {photographs.name}: {listing(missing)}.")
        return Part(Lazily(pairs, self._opened), np.zeros(len(pairs), np.int64))

    def _opened(self, pair: tuple[Path, Path]) -> tuple[Image.Image, NDArray[np.uint8]]:
        """A photograph and the class of each of its pixels, shape ``(H, W)``.

        Raises:
            ValueError: If either has another size, or the mask something else than classes.
        """
        photograph, mask = pair
        image = files.load_image(photograph)
        with files.readable(mask), Image.open(mask) as picture:
            classes = np.array(picture)
        classes = classes.astype(np.uint8) if classes.dtype == bool else classes  # two classes in a bit each
        for path, size in ((photograph, image.size[::-1]), (mask, classes.shape[:2])):
            if size != self.size:
                raise ValueError(
                    f"{path} has height and width {size}, the data set {self.size}. Set data.size, or resize "
                    "the files; masks to the nearest pixel."
                )
        if classes.dtype != np.uint8 or classes.ndim != 2:
            raise ValueError(
                f"{mask} has values of {classes.dtype} and shape {classes.shape}, no classes. Store the "
                "number of each pixel's class as a grey level of 8 bits or with a palette."
            )
        unknown = np.setdiff1d(classes, [*range(self.num_classes), self.void])
        if unknown.size:
            raise ValueError(
                f"{mask} has classes {listing(map(str, unknown))}; data.classes has numbers up to "
                f"{self.num_classes - 1}, and data.void={self.void} is not judged. Complete data.classes."
            )
        return image, classes

    def sample_version(self, part: str, index: int) -> str:
        return files.version(*self._part(part).images.stored[index])

    def sample_content(self, part: str, index: int) -> str:
        return files.content(*self._part(part).images.stored[index])
