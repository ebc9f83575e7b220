"""The samples of a data set's part and of a subset, and the order in which training takes them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler


class Part(NamedTuple):
    """One official part of a data set, with what is known about it without decoding an image."""

    images: Any  # a map-style sequence of (image as `preprocess` takes it, target as `target_transform` does)
    labels: (
        np.ndarray
    )  # class of each image, shape (n,), by which draws are stratified; zeros where it has none


class Lazily(Sequence[Any]):
    """A part's samples, read when they are asked for.

    Args:
        stored: What is known of each sample without reading it, such as its file.
        read: From that to the image and the target.
    """

    def __init__(self, stored: Sequence[Any], read: Callable[[Any], tuple[Any, Any]]) -> None:
        self.stored = stored
        self._read = read

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        return self._read(self.stored[int(index)])


class SeededShuffle(Sampler[int]):
    """A new order in every epoch that depends on the run's seed and the epoch only.

    A run that was interrupted therefore goes on with the very batches that it would have seen. Lightning
    calls `set_epoch`.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._seed = torch.initial_seed()
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self._seed % 2**63, self._epoch]).permutation(self._count)
        return iter(order.tolist())


class Samples(Dataset[tuple[Tensor, Any]]):
    """The chosen images of one part, they and their targets transformed when asked for.

    With several transforms all images come once through the first, then through the next, and so on.
    """

    def __init__(
        self,
        images: Any,
        indices: np.ndarray,
        transforms: Sequence[Callable[[Any], Tensor]],
        target_transform: Callable[[Any], Any],
    ) -> None:
        self.images = images
        self.indices = indices
        self.transforms = transforms
        self.target_transform = target_transform

    def __len__(self) -> int:
        return len(self.indices) * len(self.transforms)

    def __getitem__(self, position: int) -> tuple[Tensor, Any]:
        view, index = divmod(position, len(self.indices))
        image, target = self.images[self.indices[index]]
        return self.transforms[view](image), self.target_transform(target)

    def spread(self, count: int) -> list[tuple[Tensor, Any]]:
        """At most so many samples, evenly spread, so that all classes take part."""
        positions = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int))
        return [self[position] for position in positions.tolist()]
