"""How few levels do: metric and error of mid-point quantization over mean ± w·sigma, on a grid of (N, w).

::

    training features ─► mean, sigma  of the layer, of each channel, of each neuron
    feature ─► N levels over mean ± w·sigma ─► payload ─► feature' ─► tail ─► metric

Source: Ulhaq, BASc thesis, SFU 2020, who found 7 levels for a whole layer and 6 with statistics per neuron.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.codecs.levels.mid_point import SCOPES

Grid = list[list[float]]


@dataclass(frozen=True)
class Quantization:
    """The metric behind quantized features.

    Attributes:
        n: Images.
        levels: N, the grids' columns.
        sigmas: w, the grids' lines.
        baseline: The metric with the whole feature.
        drop: What may be lost of it.
        value: By scope: the metric, `[w][N]`.
        squared_error: By scope: squared error over the feature's energy, `[w][N]`.
        smallest: By scope: the smallest N that keeps to the drop, with its best w, its bits per element
            and its metric; `None` where no N does.
    """

    n: int
    levels: list[int]
    sigmas: list[float]
    baseline: float
    drop: float
    value: dict[str, Grid]
    squared_error: dict[str, Grid]
    smallest: dict[str, dict[str, float] | None]

    @property
    def summary(self) -> str:
        found = (
            f"{scope}: none"
            if best is None
            else f"{scope}: N = {best['levels']:g} at w = {best['sigmas']:g} ({best['bits']:.2f} bits)"
            for scope, best in self.smallest.items()
        )
        return (
            f"fewest levels at most {100 * self.drop:g} points below {self.baseline:.4f}: {', '.join(found)}"
        )

    @classmethod
    def of(
        cls,
        features: NDArray[np.float32],
        training: NDArray[np.float32],
        options: Any,
        metric: Callable[[NDArray[np.float32]], float],
    ) -> "Quantization":
        """Quantize features with every N and w.

        Args:
            features: Shape ``(n, C, H, W)``.
            training: Features that mean and deviation are taken from. Shape ``(m, C, H, W)``.
            options: Has `levels`, `sigmas` and `drop`.
            metric: Of features, through the tail.

        Raises:
            ValueError: If there is nothing to try, or an N, a w or the drop is impossible.
        """
        levels, sigmas = sorted(options.levels), list(options.sigmas)
        if not levels or not sigmas:
            raise ValueError(f"quantization: levels={levels}, sigmas={sigmas} leave nothing to try.")
        if not 0 <= options.drop <= 1:
            raise ValueError(f"quantization.drop={options.drop} is no share of a metric. Use 0 to 1.")
        baseline = metric(features)
        value: dict[str, Grid] = {}
        squared_error: dict[str, Grid] = {}
        for scope in SCOPES:
            kept = [[through_bytes(features, training, scope, n, w) for n in levels] for w in sigmas]
            value[scope] = [[metric(part) for part in line] for line in kept]
            squared_error[scope] = [[_error(part, features) for part in line] for line in kept]
        smallest = {
            scope: _smallest(value[scope], levels, sigmas, baseline - options.drop) for scope in SCOPES
        }
        return cls(len(features), levels, sigmas, baseline, options.drop, value, squared_error, smallest)


def through_bytes(
    features: NDArray[np.float32], training: NDArray[np.float32], scope: str, levels: int, sigmas: float
) -> NDArray[np.float32]:
    """Features as they arrive, each encoded and decoded. Shape ``(n, C, H, W)``."""
    codec = codecs.create("quantised", features.shape[1:], levels=levels, per=scope, sigmas=sigmas)
    channel = Channel(codec).fit([(torch.from_numpy(training), None)])
    received: NDArray[np.float32] = channel.transmit(torch.from_numpy(features)).feature.numpy()
    return received


def _error(received: NDArray[np.float32], features: NDArray[np.float32]) -> float:
    energy = float((features.astype(np.float64) ** 2).sum())
    return float(((received - features).astype(np.float64) ** 2).sum()) / (energy or 1.0)


def _smallest(
    value: Grid, levels: Sequence[int], sigmas: Sequence[float], floor: float
) -> dict[str, float] | None:
    for column, n in enumerate(levels):
        best, w = max((line[column], w) for line, w in zip(value, sigmas, strict=True))
        if best >= floor:
            return {"levels": n, "sigmas": w, "bits": math.log2(n), "value": best}
    return None
