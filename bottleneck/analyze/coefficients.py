"""How a feature's coefficients are distributed, and how many are zero."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Coefficients:
    """The distribution over all images, all channels and each of them.

    Attributes:
        n: Images.
        mean: Of all coefficients, like the next three.
        deviation: Standard deviation.
        skewness: 0 for symmetric distributions.
        excess_kurtosis: 0 for a normal distribution, 3 for a Laplace one.
        zero_fraction: Share of coefficients that are exactly 0, in [0, 1].
        negative_fraction: Share below 0.
        values: See `value_grid`.
        cdf: Share of coefficients at or below each of `values`.
        cdf_5, cdf_95: The same in single images, 5th and 95th percentile over images.
        image_low, image_high: Smallest and largest coefficient of each image.
        image_zero_fraction: Of each image.
        channel_zero_fraction: Of each channel.
        channel_mean, channel_deviation: Of each channel.
    """

    n: int
    mean: float
    deviation: float
    skewness: float
    excess_kurtosis: float
    zero_fraction: float
    negative_fraction: float
    values: list[float]
    cdf: list[float]
    cdf_5: list[float]
    cdf_95: list[float]
    image_low: list[float]
    image_high: list[float]
    image_zero_fraction: list[float]
    channel_zero_fraction: list[float]
    channel_mean: list[float]
    channel_deviation: list[float]

    @property
    def summary(self) -> str:
        return (
            f"{self.zero_fraction:.1%} zeros, {self.negative_fraction:.1%} negative; mean {self.mean:.3g}, "
            f"deviation {self.deviation:.3g}, range {min(self.image_low):.3g} .. {max(self.image_high):.3g}; "
            f"skewness {self.skewness:.2f}, excess kurtosis {self.excess_kurtosis:.2f}"
        )

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> "Coefficients":
        """Describe features, shape ``(n, C, H, W)``."""
        images = features.reshape(len(features), -1)
        mean, deviation = float(features.mean(dtype=np.float64)), float(features.std(dtype=np.float64))
        standard = (features - mean) / (deviation or 1.0)
        zeros = features == 0
        values = value_grid(features)
        cdfs = [cumulative(image, values) for image in images]
        low, high = np.percentile(cdfs, [5, 95], axis=0)
        return cls(
            n=len(features),
            mean=mean,
            deviation=deviation,
            skewness=float((standard**3).mean(dtype=np.float64)),
            excess_kurtosis=float((standard**4).mean(dtype=np.float64)) - 3 if deviation else 0.0,
            zero_fraction=float(zeros.mean()),
            negative_fraction=float((features < 0).mean()),
            values=values.tolist(),
            cdf=np.mean(cdfs, axis=0).tolist(),
            cdf_5=low.tolist(),
            cdf_95=high.tolist(),
            image_low=images.min(axis=1).tolist(),
            image_high=images.max(axis=1).tolist(),
            image_zero_fraction=zeros.mean(axis=(1, 2, 3)).tolist(),
            channel_zero_fraction=zeros.mean(axis=(0, 2, 3)).tolist(),
            channel_mean=features.mean(axis=(0, 2, 3), dtype=np.float64).tolist(),
            channel_deviation=features.std(axis=(0, 2, 3), dtype=np.float64).tolist(),
        )


def value_grid(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """201 values from the 0.1st to the 99.9th percentile, equally spaced, where distributions are drawn."""
    low, high = np.percentile(features.astype(np.float64), [0.1, 99.9])
    return np.linspace(low, high, 201)


def cumulative(array: NDArray[np.float32], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of an array's elements at or below each value; zeros for an empty array. Shape as `values`."""
    counts = np.searchsorted(np.sort(array, axis=None), values, side="right")
    return counts / max(1, array.size)
