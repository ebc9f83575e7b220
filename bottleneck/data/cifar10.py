"""CIFAR-10: 50,000 + 10,000 photographs of ten classes, 3×32×32, without loss.

    root/  cifar-10-batches-py/                         as published, downloaded by torchvision; or
           cifar10_batch_K.png  cifar10_labels.js       as ConvNetJS has them, all of them or some

A picture of ConvNetJS holds 1,000 images, one a row; those from number 50 on are the official test set.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from bottleneck.data.base import ImageData
from bottleneck.data.files import load_image
from bottleneck.data.samples import Part

_ROWS = 1000  # images of one picture
_TEST_FROM = 50  # number of the first picture of the test set
_LABELS = "cifar10_labels.js"


class CIFAR10(ImageData):
    """CIFAR-10 at its own 32×32 pixels; the official test set is ``val``.

    Args:
        root: Folder that holds ``cifar-10-batches-py``, or receives it; or one with ConvNetJS's pictures.
        download: Whether to fetch the 170 MB where there is neither.
        views: How many views of each image ``train`` has (`data/views.py`), the same ones in every run.
        shared: `ImageData`'s arguments.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """

    name = "cifar10"

    def __init__(self, root: str | Path, download: bool = True, views: int = 1, **shared: Any) -> None:
        super().__init__(**shared)
        if views < 1:
            raise ValueError(f"data.views={views} shows no image. Use at least 1.")
        self.root = Path(root).expanduser()
        self.download = download
        self.views = views

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (3, 32, 32)

    @property
    def num_classes(self) -> int:
        return 10

    def prepare_data(self) -> None:
        """Download where needed; Lightning calls it in one process before the others read."""
        self.read_part("train")

    def read_part(self, part: str) -> Part:
        """Load one of the two official sets.

        Raises:
            FileNotFoundError: If the files are missing or damaged and could not be downloaded.
            ValueError: If a picture or the labels are not as they should be.
        """
        if self._in_pictures:
            return self._from_pictures(part)
        try:
            images = datasets.CIFAR10(self.root, train=part == "train", download=self.download)
        except (OSError, RuntimeError) as error:
            raise FileNotFoundError(
                f"no CIFAR-10 at data.root={self.root} ({error}). It should hold cifar-10-batches-py, "
                f"unpacked from {datasets.CIFAR10.url}. Where the net is there, data.download=true fetches "
                f"it (now {str(self.download).lower()})."
            ) from error
        return Part(images, np.asarray(images.targets))

    def sample_version(self, part: str, index: int) -> str:
        if self._in_pictures:
            image, _ = self._part(part).images[index]
            return hashlib.sha256(image).hexdigest()
        # torchvision has checked the files against the checksums of this version
        return f"{datasets.CIFAR10.tgz_md5} {part}"

    @property
    def _in_pictures(self) -> bool:
        return (self.root / _LABELS).is_file()

    def _from_pictures(self, part: str) -> Part:
        numbered = sorted(
            (int(found[1]), path)
            for path in self.root.glob("cifar10_batch_*.png")
            if (found := re.fullmatch(r"cifar10_batch_(\d+)", path.stem))
        )
        chosen = [(n, path) for n, path in numbered if (n >= _TEST_FROM) == (part == "val")]
        if not chosen:
            wanted = f"{_TEST_FROM} or more" if part == "val" else f"0 to {_TEST_FROM - 1}"
            raise FileNotFoundError(
                f"data.root={self.root} has {_LABELS}, and no cifar10_batch_K.png with K of {wanted}. Put at "
                "least one there, or remove the labels to read cifar-10-batches-py."
            )
        labels = _labels(self.root / _LABELS, _ROWS * (chosen[-1][0] + 1))
        images = np.concatenate([_rows(path) for _, path in chosen])
        classes = np.concatenate([labels[_ROWS * number :][:_ROWS] for number, _ in chosen])
        return Part(list(zip(images, classes.tolist(), strict=True)), classes)


def _rows(path: Path) -> np.ndarray:
    """The images of one picture, uint8, shape ``(1000, 3, 32, 32)``."""
    pixels = np.asarray(load_image(path))
    if pixels.shape != (_ROWS, 1024, 3):
        height, width, _ = pixels.shape
        raise ValueError(
            f"{path} has {width}×{height} pixels. A picture of CIFAR-10 has 1024×{_ROWS}, an image a row."
        )
    return np.ascontiguousarray(pixels.reshape(_ROWS, 32, 32, 3).transpose(0, 3, 1, 2))


def _labels(path: Path, count: int) -> np.ndarray:
    """The classes of at least so many images, int64; the file is one assignment of a list in JavaScript."""
    listed = re.fullmatch(r"\s*(?:var\s+)?\w+\s*=\s*(\[[\d,\s]*\])\s*;?\s*", path.read_text())
    labels = np.asarray(json.loads(listed[1]) if listed else [], np.int64)
    if len(labels) < count or not np.isin(labels, range(10)).all():
        raise ValueError(
            f"{path} should be `var labels=[6, 9, ...]` with at least {count} classes 0 to 9; it has "
            f"{len(labels)}. Fetch it again with the pictures."
        )
    return labels
