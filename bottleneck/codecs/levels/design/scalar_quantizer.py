"""A quantizer of single values: levels, and the thresholds between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.jit import jit

MOST_LEVELS = 256
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class ScalarQuantizer:
    """Sends each value to the level of its cell; the outer cells reach to infinity.

    Attributes:
        levels: What values become, rising, float32. Shape ``(n,)``, n from 1 to 256.
        thresholds: Value number k, or any above, belongs to level k + 1, float32. Shape ``(n - 1,)``.

    Raises:
        ValueError: If these are no such levels and thresholds.
    """

    levels: NDArray[np.float32]
    thresholds: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = self.levels.size
        shapes = self.levels.shape, self.thresholds.shape
        if shapes != ((n,), (n - 1,)) or n > MOST_LEVELS:
            raise ValueError(
                f"a quantizer has 1 to {MOST_LEVELS} levels and one threshold less; got shapes {shapes}."
            )
        if not (np.isfinite(self.levels).all() and np.isfinite(self.thresholds).all()):
            raise ValueError(f"levels {self.levels} and thresholds {self.thresholds} must be finite.")
        if (np.diff(self.levels) < 0).any() or (np.diff(self.thresholds) < 0).any():
            raise ValueError(f"levels {self.levels} and thresholds {self.thresholds} must rise.")

    @classmethod
    def uniform(cls, low: float, high: float, n_levels: int) -> ScalarQuantizer:
        """Levels at equal distances with the outer ones at the ends of a range, each value to the nearest.

        A value half-way belongs to the upper level. Outer cells are half as wide inside the range as inner
        ones: this is not the quantizer of equal bins.

        Args:
            low: Lower end of the range, finite.
            high: Its upper end, finite, above `low`.
            n_levels: 2 or more.
        """
        if not (-_LARGEST <= low < high <= _LARGEST and n_levels >= 2):
            raise ValueError(
                f"range {low} .. {high} with {n_levels} levels is none. Give a finite range, low < high, and "
                "2 levels or more."
            )
        levels = np.linspace(low, high, n_levels)
        thresholds = levels[:-1] + (levels[1] - levels[0]) / 2
        return cls(levels.astype(np.float32), _at_or_above(thresholds))

    @classmethod
    def with_ties_below(cls, levels: NDArray[np.float64], thresholds: NDArray[np.float64]) -> ScalarQuantizer:
        """The quantizer that sends values equal to a threshold to the lower of its levels."""
        return cls(levels.astype(np.float32), _at_or_above(np.nextafter(thresholds, np.inf)))

    def indices(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Number of each value's level. Shape as `values`, which is ``(n,)``."""
        indices = np.empty(values.size, dtype=np.uint8)
        _quantize(values, self.thresholds, indices)
        return indices

    def to_dict(self) -> dict[str, Any]:
        """The quantizer as JSON values."""
        return {"levels": self.levels.tolist(), "thresholds": self.thresholds.tolist()}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> ScalarQuantizer:
        """The quantizer that `to_dict` described; ValueError where its values make none."""
        with np.errstate(over="ignore"):  # infinity is refused afterwards
            levels, thresholds = (np.array(d[key], dtype=np.float32) for key in ("levels", "thresholds"))
        return cls(levels, thresholds)


def _at_or_above(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The smallest float32 that are not below; so float32 features compare as with the float64 itself."""
    near = values.astype(np.float32)
    above = np.nextafter(near, np.float32(np.inf))
    return np.where(near < values, above, near).clip(-_LARGEST, _LARGEST).astype(np.float32)


@jit
def _quantize(values: NDArray[Any], thresholds: NDArray[Any], indices: NDArray[np.uint8]) -> None:
    """Linear search, because levels are few and the lowest are the likeliest."""
    n = len(thresholds)
    for i in range(len(values)):
        value = values[i]
        k = 0
        while k < n and value >= thresholds[k]:
            k += 1
        indices[i] = k
