"""The contract of every data set: uint8 images with targets, in three subsets that never move.

    official train part ─┬─► "train"   trains the bottleneck and fits the entropy tables
                         └─► "select"  ranks operating points; held out, the same samples in every run
    official val part ─────► "val"     what is reported

A new data set says how its two official parts are read and what identifies a sample; everything else is here.
"""

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import PIL
import torch
import torchvision
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from bottleneck.data.samples import Part, Samples, SeededShuffle
from bottleneck.data.stratify import stratified_order
from bottleneck.data.views import View
from bottleneck.preprocess import preprocess

log = logging.getLogger(__name__)

SUBSETS = ("train", "select", "val")


class ImageData(LightningDataModule, ABC):
    """Images for a frozen network, as ``(uint8 tensor C×H×W, target)`` after resize and crop.

    A target is the image's class, an int, unless a data set says otherwise.

    Normalisation is not done here: it is the frozen network's first module. Nothing is read or downloaded
    before `setup`, `subset`, `targets` or `fingerprint` is called, so a configuration can be instantiated on
    a machine without the data.

    Args:
        batch_size: Images per batch, in all three loaders.
        num_workers: Processes that decode images; 0 decodes in the main process.
        holdout: Share of the official train part that becomes ``select``, in [0, 1). 0: ``select`` is empty.
        train_limit: Samples in ``train`` at most, a stratified draw made after the hold-out, so that
            ``select`` stays the same. ``None``: all.
        val_limit: Samples in ``select`` and in ``val`` at most, each a stratified draw. ``None``: all.

    Raises:
        ValueError: If a number is out of its range; the message names the configuration key.
    """

    name: str  # what results call the data set
    views: int = 1  # of each image in ``train``, for data sets that have several (`data/views.py`)
    targets_are_answers: bool = False  # of the frozen network, so that the metric is agreement with it

    def __init__(
        self,
        *,
        batch_size: int = 64,
        num_workers: int = 0,
        holdout: float = 0.1,
        train_limit: int | None = None,
        val_limit: int | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"data.batch_size={batch_size} is not a batch. Use at least 1.")
        if num_workers < 0:
            raise ValueError(f"data.num_workers={num_workers} is no number of processes. Use at least 0.")
        if not 0 <= holdout < 1:
            raise ValueError(
                f"data.holdout={holdout} is no share of the training data. Use 0 (none) to below 1."
            )
        for key, limit in (("train_limit", train_limit), ("val_limit", val_limit)):
            if limit is not None and (not isinstance(limit, int) or limit < 1):
                raise ValueError(
                    f"data.{key}={limit} is no number of samples. Use at least 1, or null for all."
                )
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.holdout = holdout
        self.train_limit = train_limit
        self.val_limit = val_limit
        self._parts: dict[str, Part] = {}

    # What a data set says about itself.

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image, known without reading one."""

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """Number of classes; labels run from 0 to one below it."""

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Options of `preprocess`, as a bundle stores them; empty where images keep their size."""
        return {}

    def suited(self, own: dict[str, Any] | None) -> Self:
        """The data set with images as a network's own library prepares them, as far as it leaves that open.

        Args:
            own: What that library does, as options of `preprocess`; ``None`` where nobody knows.
        """
        if own is not None:
            log.info("%s keeps its images' size; the network's own library makes them %s.", self.name, own)
        return self

    @property
    def target_layout(self) -> tuple[tuple[int, ...], str] | None:
        """Shape and NumPy dtype of every target; ``None`` where they differ from image to image."""
        return (), "int64"

    @property
    def augmented(self) -> bool:
        """Whether ``train`` differs from epoch to epoch, so that its features cannot be cached."""
        return False

    @abstractmethod
    def read_part(self, part: str) -> Part:
        """Find the samples of the official part ``"train"`` or ``"val"``; called once for each."""

    @abstractmethod
    def sample_version(self, part: str, index: int) -> str:
        """Text that changes whenever the stored image at this index of the part could have changed."""

    def sample_content(self, part: str, index: int) -> str:
        """The like, equal on every machine that has the same image; of files see `files.content`."""
        return self.sample_version(part, index)

    def transform(self, name: str) -> Callable[[Any], Tensor]:
        """Transform from a stored image of subset ``name`` to the uint8 tensor C×H×W that the head is fed."""
        transform: Callable[[Any], Tensor] = preprocess(**self.preprocessing, channels=self.image_shape[0])
        return transform

    def transforms(self, name: str) -> list[Callable[[Any], Tensor]]:
        """Transforms of subset ``name``: one, or one for each view of its training images."""
        transform = self.transform(name)
        if name != "train" or self.views == 1:
            return [transform]
        return [View(number, self.image_shape[1], transform) for number in range(self.views)]

    def target_transform(self, target: Any) -> Any:
        """Turn a stored target into what the task is given, sized as the transformed image is."""
        return int(target)

    def label_name(self, label: int) -> str:
        """What people call a label of this data set's targets; its number where they have no name for it."""
        return str(label)

    def collate(self, samples: list[tuple[Tensor, Any]]) -> Any:
        """Make a batch ``(images, targets)`` of samples: tensors with a first dimension more."""
        return default_collate(samples)

    # What the project asks of it.

    def subset(self, name: str) -> Samples:
        """Return a subset as map-style ``(uint8 tensor C×H×W, target)``, the same order in every run.

        Args:
            name: ``"train"``, ``"select"`` or ``"val"``.

        Raises:
            ValueError: If there is no subset of that name, or ``holdout`` leaves nothing to train on.
        """
        part, indices = self._members(name)
        return Samples(self._part(part).images, indices, self.transforms(name), self.target_transform)

    def count(self, name: str) -> int:
        """Return the number of samples in a subset, views included, without decoding an image."""
        return len(self._members(name)[1]) * len(self.transforms(name))

    def targets(self, name: str) -> np.ndarray:
        """Return the classes of a subset in its order, without decoding an image. Shape ``(n,)``, int64."""
        part, indices = self._members(name)
        labels: np.ndarray = self._part(part).labels[indices].astype(np.int64)
        return labels

    def fingerprint(self, name: str) -> str:
        """Return a text that changes whenever the samples of a subset could, and is equal in every process.

        It covers the subset's members, their labels and stored versions, and the transform with the versions
        of the libraries that carry it out. Files are looked at on every call, so a change during a run is
        noticed.

        Returns:
            64 hexadecimal digits.
        """
        return self._digest(name, self.sample_version)

    def contents(self, name: str) -> str:
        """Return a `fingerprint` that is equal on every machine with the same images, wherever they lie.

        It says less: of a file only name, size, beginning and end are looked at.
        """
        return self._digest(name, self.sample_content)

    def _digest(self, name: str, version: Callable[[str, int], str]) -> str:
        part, indices = self._members(name)
        labels = self._part(part).labels
        transforms = " ".join(map(str, self.transforms(name)))
        digest = hashlib.sha256(
            f"torchvision {torchvision.__version__} Pillow {PIL.__version__} {transforms}".encode()
        )
        for index in indices:
            told = f"\n{index} {labels[index]} {version(part, index)}"
            digest.update(told.encode(errors="surrogateescape"))  # names of files may be in any encoding
        return digest.hexdigest()

    # What Lightning asks of it.

    def setup(self, stage: str | None = None) -> None:
        """Find the samples of every subset, so that wrong data are reported before anything is trained."""
        for name in SUBSETS:
            self.subset(name)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return ``train``, shuffled anew in every epoch, the last smaller batch included."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Return ``select`` in order; where it is empty, no loader, so that Lightning skips validation."""
        return self._loader("select", shuffle=False) if self.count("select") else []

    def test_dataloader(self) -> DataLoader[Any]:
        """Return ``val`` in order."""
        return self._loader("val", shuffle=False)

    def _loader(self, name: str, shuffle: bool) -> DataLoader[Any]:
        samples = self.subset(name)
        return DataLoader(
            samples,
            batch_size=self.batch_size,
            sampler=SeededShuffle(len(samples)) if shuffle else None,
            drop_last=shuffle and len(samples) % self.batch_size == 1,  # BatchNorm cannot train on one sample
            num_workers=self.num_workers,
            collate_fn=self.collate,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def _part(self, part: str) -> Part:
        if part not in self._parts:
            self._parts[part] = self.read_part(part)
        return self._parts[part]

    def _members(self, name: str) -> tuple[str, np.ndarray]:
        """Say which official part a subset is drawn from, and the rising indices of its samples there."""
        if name not in SUBSETS:
            raise ValueError(f"there is no subset {name!r}. Choose one of {', '.join(map(repr, SUBSETS))}.")
        part = "val" if name == "val" else "train"
        order = stratified_order(self._part(part).labels)
        if name == "val":
            return part, np.sort(order[: self.val_limit])
        held = max(1, round(self.holdout * len(order))) if self.holdout else 0
        if held >= len(order):
            raise ValueError(
                f"data.holdout={self.holdout} of {len(order)} training images leaves none to train on. "
                "Lower it, or use 0 to hold out nothing."
            )
        chosen = order[:held][: self.val_limit] if name == "select" else order[held:][: self.train_limit]
        return part, np.sort(chosen)
