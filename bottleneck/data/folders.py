"""Image classification from folders, one per class: ``root/train/<class>/*`` and ``root/val/<class>/*``."""

import os
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from bottleneck.codecs.pictures.files.folder import pictures_in, tell_passed_over
from bottleneck.data import files
from bottleneck.data.resized import Resized
from bottleneck.data.samples import Lazily, Part
from bottleneck.preprocess import preprocess


class ImageFolder(Resized):
    """RGB photographs in class folders.

    Classes are numbered in the order of their folder names (as text: "10" comes before "2").

    Args:
        root: Folder with ``train`` and ``val``; its name is what results call the data set.
        short_side: Pixels of the shorter side after resizing; see `Resized`, as for the next.
        crop: Pixels of both sides of the square cut from the centre.
        augment: Whether ``train`` shows random resized crops, mirrored at random, instead. Its features
            cannot be cached then. ``select`` and ``val`` are never augmented.
        views: How many views of each image ``train`` has (`data/views.py`), the same ones in every run, so
            that their features can be cached. An epoch sees all of them.
        shared: `Resized`'s arguments.

    Raises:
        ValueError: If sizes do not go together, or views would differ from epoch to epoch.
    """

    name = ""

    def __init__(
        self,
        root: str | Path,
        short_side: int | None = None,
        crop: int | None = None,
        augment: bool = False,
        views: int = 1,
        **shared: Any,
    ) -> None:
        super().__init__(short_side=short_side, crop=crop, **shared)
        if views < 1 or (views > 1 and augment):
            raise ValueError(
                f"data.views={views}, data.augment={augment}: give at least 1 view, and either several that "
                "stay the same or data.augment=true."
            )
        self.views = views
        self.root = Path(root).expanduser()
        self.name = self.name or self.root.absolute().name
        self.augment = augment

    @cached_property
    def classes(self) -> list[str]:
        """Names of the class folders, in the order of their labels.

        Raises:
            FileNotFoundError: If ``train`` or ``val`` is missing or holds no folder.
            ValueError: If ``train`` and ``val`` have different class folders.
        """
        names = {}
        for part in ("train", "val"):
            folder = self.folder() / part
            if not folder.is_dir():
                raise FileNotFoundError(f"{folder} is not a folder. {self.layout()}")
            names[part] = class_folders(folder)
            if not names[part]:
                raise FileNotFoundError(f"{folder} holds no class folder. {self.layout()}")
        if names["train"] != names["val"]:
            train, val = set(names["train"]), set(names["val"])
            raise ValueError(
                f"train and val in {self.folder()} have different classes, so their labels would not agree: "
                f"only in train: {listing(train - val)}; only in val: {listing(val - train)}. "
                "Make the folder names equal, or correct data.root."
            )
        self.check_classes(names["train"])
        return names["train"]

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def augmented(self) -> bool:
        return self.augment

    def transform(self, name: str) -> Callable[[Any], Tensor]:
        if name == "train" and self.augment:
            mode = v2.InterpolationMode[self.preprocessing.get("interpolation", "bilinear").upper()]
            crop = v2.RandomResizedCrop(self.image_shape[1:], interpolation=mode)
            augmenting: Callable[[Any], Tensor] = v2.Compose([crop, v2.RandomHorizontalFlip(), preprocess()])
            return augmenting
        return super().transform(name)

    def folder(self) -> Path:
        """Return the folder that holds ``train`` and ``val``."""
        return self.root

    def check_classes(self, classes: list[str]) -> None:
        """Raise ``ValueError`` where a data set knows that its classes should be others; any will do here."""

    def layout(self) -> str:
        """Say how the data should lie, for error messages."""
        return (
            f"data.root={self.root} should hold train/<class>/ and val/<class>/, one folder of images per "
            "class, the same classes in both."
        )

    def read_part(self, part: str) -> Part:
        """List the image files of ``train`` or ``val``, by class and then by name.

        Raises:
            FileNotFoundError: If a folder is missing.
            ValueError: If the classes are not as they should be, or one has no image.
        """
        folder, samples, others = self.folder() / part, [], 0
        for label, name in enumerate(self.classes):
            images, passed_over = pictures_in(folder / name, files.ENDINGS)
            samples += [(path, label) for path in images]
            others += passed_over
        tell_passed_over(folder, others)
        labels = np.array([label for _, label in samples], dtype=np.int64)
        if empty := [self.classes[label] for label in set(range(self.num_classes)) - set(labels.tolist())]:
            raise ValueError(
                f"no image in {folder} for: {listing(empty)}. Add images "
                f"({', '.join(files.ENDINGS)}), remove the class from train and val, or correct "
                "data.root."
            )
        return Part(Lazily(samples, _opened), labels)

    def sample_version(self, part: str, index: int) -> str:
        return files.version(self._part(part).images.stored[index][0])

    def sample_content(self, part: str, index: int) -> str:
        return files.content(self._part(part).images.stored[index][0])


def _opened(sample: tuple[Path, int]) -> tuple[Image.Image, int]:
    path, label = sample
    return files.load_image(path), label


def class_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; `.ipynb_checkpoints` and its like are no classes."""
    return sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith("."))


def listing(names: Iterable[str]) -> str:
    """Write names for an error message: sorted, the first ten of many, or "none"."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 10} more" if len(ordered) > 10 else ""
    return (", ".join(ordered[:10]) or "none") + more
