"""CIFAR-10: 50,000 + 10,000 photographs of ten classes, 3×32×32, downloaded by torchvision."""

from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from bottleneck.data.base import ImageData, Part


class CIFAR10(ImageData):
    """CIFAR-10 at its own 32×32 pixels; the official test set is ``val``.

    Args:
        root: Folder that holds ``cifar-10-batches-py``, or receives it.
        download: Whether to fetch the 170 MB where they are not there yet.
        shared: `ImageData`'s arguments.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """

    name = "cifar10"

    def __init__(self, root: str | Path, download: bool = True, **shared: Any) -> None:
        super().__init__(**shared)
        self.root = Path(root).expanduser()
        self.download = download

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
        """
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
        # torchvision has checked the files against the checksums of this version
        return f"{datasets.CIFAR10.tgz_md5} {part}"
