"""Motion: how well the feature before predicts a feature when the whole image has moved.

::

    image moved by p pixels ─► feature ◄─ compared ─┬─ the feature before, where it was          still
                                                    ├─ moved by p / stride cells                 known
                                                    ├─ by vectors found on images of its size    image
                                                    └─ by vectors found on the features          feature

Whole cells are predicted best, up to what padding spoils at the edges; between cells a feature is not what is
interpolated, because strides have thrown away what would be needed.

Source: Ulhaq, BASc thesis, SFU 2020.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bottleneck.analyze.differences import panned
from bottleneck.codecs.streams.motion import PARTS, block_vectors, blocks, predicted, valid

Float32 = NDArray[np.float32]

_MOST_DB = 120.0  # of a prediction without error
_BLOCK = 2


@dataclass(frozen=True)
class Motion:
    """Prediction of moved features; every list has one entry per shift.

    Attributes:
        pixels: By which the images moved.
        cells: The same in the feature.
        psnr: Mean decibels over images of every way to predict: ``still``, ``known``, ``image``, ``feature``.
            Where a prediction's source lies outside, its cell does not count.
    """

    pixels: list[int]
    cells: list[float]
    psnr: dict[str, list[float]]

    @property
    def summary(self) -> str:
        shifts = (
            f"{pixels} px ({cells:g} cells) "
            + ", ".join(f"{way} {values[number]:.1f}" for way, values in self.psnr.items())
            for number, (pixels, cells) in enumerate(zip(self.pixels, self.cells, strict=True))
        )
        return f"PSNR in dB; {'; '.join(shifts)}"

    @classmethod
    def of(
        cls,
        images: Tensor,
        features_of: Callable[[Tensor], Float32],
        pixels: Sequence[int],
        radius: int,
    ) -> "Motion":
        """Move images and predict their features.

        Args:
            images: uint8, shape ``(n, c, h, w)``.
            features_of: The head, shape ``(n, C, H, W)``.
            pixels: Shifts to the left.
            radius: Cells that blocks are searched for in each direction.

        Raises:
            ValueError: If there is no shift, one leaves nothing of the images, or the radius is negative.
        """
        if radius < 0:
            raise ValueError(f"motion.radius={radius} is no distance. Use 0 or more.")
        if not pixels or not all(type(shift) is int and 0 <= shift < images.shape[-1] for shift in pixels):
            raise ValueError(
                f"motion.pixels={list(pixels)} is no way to move images of width {images.shape[-1]}. Use 0 "
                f"to {images.shape[-1] - 1}."
            )
        after = features_of(images)
        size = after.shape[2:]
        stride = images.shape[-1] / size[1]
        small_after = _at(images, size)
        psnr: dict[str, list[float]] = {way: [] for way in ("still", "known", "image", "feature")}
        for shift in pixels:
            moved = panned(images, shift)
            before, small = features_of(moved), _at(moved, size)
            known = np.zeros((*blocks(size, _BLOCK), 2), dtype=np.int64)
            decibels: dict[str, list[float]] = {way: [] for way in psnr}
            for number in range(len(after)):
                vectors = {
                    "still": known,
                    "known": known + np.array([0, round(shift / stride * PARTS)]),
                    "image": block_vectors(small[number], small_after[number], _BLOCK, radius),
                    "feature": block_vectors(before[number], after[number], _BLOCK, radius),
                }
                for way, found in vectors.items():
                    decibels[way].append(_psnr(before[number], after[number], found))
            for way, values in decibels.items():
                psnr[way].append(float(np.mean(values)))
        return cls(list(pixels), [shift / stride for shift in pixels], psnr)


def _at(images: Tensor, size: tuple[int, ...]) -> Float32:
    """Grey images at the feature's size. Shape ``(n, 1, H, W)``."""
    grey = images.to(torch.float32).mean(dim=1, keepdim=True)
    found: Float32 = F.interpolate(grey, size=size, mode="area").numpy()
    return found


def _psnr(before: Float32, after: Float32, vectors: NDArray[np.int64]) -> float:
    """Of a prediction, over the range of the feature, where its source is inside."""
    inside = valid(before.shape, vectors, _BLOCK)
    error = (predicted(before, vectors, _BLOCK) - after)[:, inside].astype(np.float64)
    energy = float(np.ptp(after)) ** 2
    share = (error**2).mean() / energy if energy and error.size else 0.0
    return float(min(_MOST_DB, -10 * np.log10(max(share, 1e-300))))
