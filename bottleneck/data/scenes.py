"""Scenes of handwritten digits, for what needs more than one label per image; composed when asked for.

Train is composed of the digits that train the classifier, val of the 500 others, so no digit is in both.
"""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bottleneck.data.base import ImageData
from bottleneck.data.composition import Scene, compose
from bottleneck.data.digits import Digits
from bottleneck.data.objects import Objects
from bottleneck.data.samples import Part

_VERSION = 1  # of how scenes are composed; part of every fingerprint
_PARTS = ("train", "val")


class Scenes(ImageData):
    """Digits in colour on textured ground, 3×H×W; a scene depends on its number and the options alone.

    Args:
        side: Height and width of every scene in pixels; or the smallest and the largest side, from which
            height and width are drawn for each scene.
        counts: Fewest and most digits in a scene.
        digit_sides: Smallest and largest side of a digit in pixels.
        train_scenes: Number of scenes in the official train part; `val_scenes` likewise.
        scene_seed: Another seed: other scenes.
        shared: `ImageData`'s arguments.

    Raises:
        ValueError: If an option is out of its range; the message names it.
    """

    name = "scenes"
    num_classes = 11

    def __init__(
        self,
        side: int | Sequence[int] = 64,
        counts: Sequence[int] = (1, 4),
        digit_sides: Sequence[int] = (20, 28),
        train_scenes: int = 2000,
        val_scenes: int = 500,
        scene_seed: int = 0,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.sides = (side, side) if isinstance(side, int) else (side[0], side[1])
        self.counts, self.digit_sides = tuple(counts), tuple(digit_sides)
        self.sizes = {"train": train_scenes, "val": val_scenes}
        self.scene_seed = scene_seed
        for key, (low, high) in {"counts": self.counts, "digit_sides": self.digit_sides}.items():
            if not 1 <= low <= high:
                raise ValueError(f"data.{key}={[low, high]}: give [lowest, highest], at least 1.")
        if not self.digit_sides[1] <= self.sides[0] <= self.sides[1]:
            raise ValueError(
                f"data.side={side} has no room for a digit of {self.digit_sides[1]} pixels. Raise it, or "
                "lower data.digit_sides."
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(3, H, W) of every scene; of the largest, where sides are drawn."""
        return (3, self.sides[1], self.sides[1])

    @abstractmethod
    def target(self, scene: Scene) -> Any:
        """What a network should find in a scene."""

    def scene(self, part: str, index: int) -> Scene:
        """Scene number `index` of the official part ``"train"`` or ``"val"``."""
        rng = np.random.default_rng([self.scene_seed, _PARTS.index(part), index])
        height, width = rng.integers(*self.sides, size=2, endpoint=True).tolist()
        return compose(rng, *self._digits[part], (height, width), self.counts, self.digit_sides)

    def read_part(self, part: str) -> Part:
        count = self.sizes[part]
        return Part(_Lazily(self, part, count), np.zeros(count, np.int64))

    def sample_version(self, part: str, index: int) -> str:
        options = [_VERSION, self.sides, self.counts, self.digit_sides, self.scene_seed]
        return f"{options} NumPy {np.__version__}"

    @cached_property
    def _digits(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Scans `(n, 8, 8)` and labels of each part."""
        parts = {part: Digits().read_part(part) for part in _PARTS}
        return {part: (np.stack([scan[0] for scan, _ in p.images]), p.labels) for part, p in parts.items()}


class SemanticScenes(Scenes):
    """Scenes with the class of every pixel: uint8 `(H, W)`, 0 for the ground, 1 to 10 for digits 0 to 9.

    Args:
        options: `Scenes`' arguments, with one `side` for all.

    Raises:
        ValueError: If sides are drawn: one batch holds masks of one size.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.sides[0] != self.sides[1]:
            raise ValueError(f"data.side={list(self.sides)}: segmentation takes one side for all scenes.")

    @property
    def target_layout(self) -> tuple[tuple[int, ...], str]:
        return self.sides, "uint8"

    def target_transform(self, target: Tensor) -> Tensor:
        return target

    def target(self, scene: Scene) -> Tensor:
        return torch.from_numpy(scene.semantic)


class DetectionScenes(Objects, Scenes):
    """Scenes with a list of digits: `boxes` float32 `(k, 4)`, `labels` 1 to 10, `masks` uint8 `(k, H, W)`.

    As torchvision's detectors take them: label 0 is the ground. With a `letterbox` see `Objects`.
    """

    def label_name(self, label: int) -> str:
        return str(label - 1)

    def target(self, scene: Scene) -> dict[str, Any]:
        return {
            "boxes": torch.from_numpy(scene.boxes),
            "labels": torch.from_numpy(scene.labels + 1),
            "masks": torch.from_numpy(scene.masks.astype(np.uint8)),
            "size": scene.image.shape[1:],
        }


class _Lazily(Sequence[Any]):
    """The scenes of one part as `(image, target)`, composed on access."""

    def __init__(self, scenes: Scenes, part: str, count: int):
        self._scenes, self._part, self._count = scenes, part, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> tuple[np.ndarray, Any]:
        scene = self._scenes.scene(self._part, int(index))
        return scene.image, self._scenes.target(scene)
