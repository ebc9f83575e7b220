"""What is lost with the high frequencies of a feature, which an image could do without.

::

    feature ─► vector, axes in some order ─► real FFT ─► lowest bins ─► inverse ─► feature' ─► tail ─► metric

Source: Carra and Neglia, GLOBECOM 2023, who lost much accuracy for every order of the axes.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: The six ways to flatten a feature, the axis that varies fastest last.
ORDERS = tuple("".join(order) for order in itertools.permutations("CHW"))


@dataclass(frozen=True)
class Fourier:
    """The metric behind truncated features.

    Attributes:
        n: Images.
        fractions: Share of the frequency bins that are kept, from the lowest on.
        baseline: The metric with the whole feature.
        value: By order of axes: the metric at each fraction.
        squared_error: By order of axes: squared error over the feature's energy, at each fraction.
    """

    n: int
    fractions: list[float]
    baseline: float
    value: dict[str, list[float]]
    squared_error: dict[str, list[float]]

    @property
    def summary(self) -> str:
        lines = (
            f"{fraction:g}: {min(values):.4f} to {max(values):.4f}"
            for fraction, values in zip(self.fractions, zip(*self.value.values(), strict=True), strict=True)
        )
        return f"metric {self.baseline:.4f}; with the share of frequencies that is kept, {', '.join(lines)}"

    @classmethod
    def of(
        cls,
        features: NDArray[np.float32],
        fractions: Sequence[float],
        metric: Callable[[NDArray[np.float32]], float],
    ) -> "Fourier":
        """Truncate features in every order of their axes.

        Args:
            features: Shape ``(n, C, H, W)``.
            fractions: In (0, 1].
            metric: Of features, through the tail.

        Raises:
            ValueError: If there is no fraction, or one keeps nothing, or more than there is.
        """
        wrong = [fraction for fraction in fractions if not 0 < fraction <= 1]
        if wrong or not fractions:
            raise ValueError(f"fourier.fractions={wrong} are no shares of a whole. Use above 0 to 1.")
        energy = float((features.astype(np.float64) ** 2).sum())
        value: dict[str, list[float]] = {}
        squared_error: dict[str, list[float]] = {}
        for order in ORDERS:
            kept = [low_frequencies(features, order, fraction) for fraction in fractions]
            value[order] = [metric(part) for part in kept]
            squared_error[order] = [
                float(((part - features).astype(np.float64) ** 2).sum()) / (energy or 1.0) for part in kept
            ]
        return cls(len(features), list(fractions), metric(features), value, squared_error)


def low_frequencies(features: NDArray[np.float32], order: str, fraction: float) -> NDArray[np.float32]:
    """Features of which only the lowest frequencies are left, each flattened to one vector.

    Args:
        features: Shape ``(n, C, H, W)``.
        order: One of `ORDERS`.
        fraction: Share of the frequency bins to keep, rounded, at least the lowest one.

    Returns:
        Shape ``(n, C, H, W)``.
    """
    axes = [0, *(1 + "CHW".index(axis) for axis in order)]
    turned = features.transpose(axes)
    spectrum = np.fft.rfft(turned.reshape(len(features), -1))
    spectrum[:, max(1, round(fraction * spectrum.shape[1])) :] = 0
    flat = np.fft.irfft(spectrum, n=turned[0].size).astype(np.float32)
    return np.ascontiguousarray(flat.reshape(turned.shape).transpose(np.argsort(axes)))
