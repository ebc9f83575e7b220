"""Differential coding: what is left of a feature when each coefficient is predicted by its neighbour.

::

    row      ─► along each row, from the left neighbour          the first coefficient of a row, column or
    column   ─► down each column, from the upper neighbour       channel stack is sent as it is
    channel  ─► from the same place in the channel before
    time     ─► from the same coefficient in the frame before

A range that is halved saves one bit per coefficient at the same error; what entropy coding saves shows in the
entropy of quantized coefficients and of their (integer) differences.

Source: Carra and Neglia, GLOBECOM 2023.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Axis of one feature (C, H, W) along which neighbours are.
AXES = {"row": 2, "column": 1, "channel": 0}


@dataclass(frozen=True)
class Difference:
    """One direction; every list has one entry per image.

    Attributes:
        range_ratio: Range of the differences over the range of the feature.
        deviation_ratio: The same of standard deviations.
        entropy: Bits per coefficient of the differences of quantized coefficients.
    """

    range_ratio: list[float]
    deviation_ratio: list[float]
    entropy: list[float]


@dataclass(frozen=True)
class Differences:
    """All directions.

    Attributes:
        bits: Of the quantizer, between each image's minimum and maximum.
        entropy: Bits per coefficient of quantized coefficients themselves, one entry per image.
        directions: By name, as in the module's docstring.
        frames: What "time" is.
        same_output: Share of images whose predicted class is the same in both frames.
    """

    bits: int
    entropy: list[float]
    directions: dict[str, Difference]
    frames: str
    same_output: float

    @property
    def summary(self) -> str:
        per_direction = (
            f"{name} {np.mean(found.range_ratio):.2f} × range, {np.mean(found.entropy):.2f} bits"
            for name, found in self.directions.items()
        )
        return (
            f"{np.mean(self.entropy):.2f} bits of entropy at {self.bits} bits; differences: "
            f"{'; '.join(per_direction)} ({self.frames}; {self.same_output:.0%} same output)"
        )

    @classmethod
    def of(
        cls,
        features: NDArray[np.float32],
        previous: NDArray[np.float32],
        bits: int,
        frames: str,
        same_output: float,
    ) -> "Differences":
        """Compare directions.

        Args:
            features: Shape ``(n, C, H, W)``.
            previous: The same of the frame before each.
            bits: Of the quantizer, 1 to 16.
            frames: What the frames are.
            same_output: See above.

        Raises:
            ValueError: If `bits` is out of range.
        """
        if not 1 <= bits <= 16:
            raise ValueError(f"differences.bits={bits} is no depth of a quantizer. Use 1 to 16.")
        plain: list[float] = []
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (*AXES, "time")}
        for now, before in zip(features, previous, strict=True):
            symbols, symbols_before = quantized(np.stack([now, before]), bits)
            plain.append(entropy(quantized(now, bits)))
            pairs = {
                name: (differences(now, axis), differences(quantized(now, bits), axis))
                for name, axis in AXES.items()
            }
            # Both frames with one quantizer: differences of symbols would mean nothing otherwise.
            pairs["time"] = (now - before, symbols - symbols_before)
            for name, (left, left_symbols) in pairs.items():
                found[name].append(
                    (
                        _ratio(np.ptp(left), np.ptp(now)),
                        _ratio(left.std(), now.std()),
                        entropy(left_symbols),
                    )
                )
        directions = {name: Difference(*map(list, zip(*rows, strict=True))) for name, rows in found.items()}
        return cls(bits, plain, directions, frames, same_output)


def differences(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """Each element less the one before it along an axis; the first ones as they are. Shape as given."""
    return np.diff(array, axis=axis, prepend=np.zeros_like(array.take([0], axis)))


def quantized(array: NDArray[np.float32], bits: int) -> NDArray[np.int64]:
    """Symbols 0 to 2^bits - 1 between the array's minimum and maximum; zeros where those are equal."""
    low, span = float(array.min()), float(np.ptp(array))
    scaled = (array.astype(np.float64) - low) / (span or 1.0) * (2**bits - 1)
    found: NDArray[np.int64] = np.floor(scaled + 0.5).astype(np.int64)
    return found


def entropy(symbols: NDArray[np.int64]) -> float:
    """Bits per symbol of the symbols' own distribution, neighbours ignored."""
    _, counts = np.unique(symbols, return_counts=True)
    share = counts / counts.sum()
    return float(-(share @ np.log2(share))) + 0.0  # + 0.0: never minus zero


def panned(images: Tensor, pixels: int) -> Tensor:
    """The frame before: everything lay some pixels further to the right.

    The left edge, behind which the images show nothing, is repeated.

    Args:
        images: Shape ``(n, C, H, W)``.
        pixels: 0 to W - 1.

    Raises:
        ValueError: If nothing of the images would be left.
    """
    width = images.shape[-1]
    if not 0 <= pixels < width:
        raise ValueError(
            f"differences.pan={pixels} is no way to move images of width {width}. Use 0 to {width - 1}."
        )
    edge = images[..., :1].expand(*images.shape[:-1], pixels)
    return torch.cat([edge, images[..., : width - pixels]], dim=-1)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
