"""An affine copy from the channel that resembles the missing one most, at the same place.

    x_c = mean_c + slope · (x_d - mean_d)    d: the one most correlated with c of those that arrived there

Slopes are those of the least squares over training samples, so a channel that resembles no other is its mean.

Source of the idea: Dhondea, Cohen and Bajić, "CALTeC: content-adaptive linear tensor completion for
collaborative intelligence", ICIP 2021, which fits the pair anew to the surroundings of each gap.
"""

from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bottleneck.lossy.concealment.base import Array
from bottleneck.lossy.concealment.means import DataSetMean


class Correlated(DataSetMean):
    """Deviations from the data set's means, copied from the most correlated channel that arrived."""

    name = "correlated"

    def fit(self, arrays: Iterable[Array]) -> Self:
        count, products = 0, np.zeros(())

        def watched() -> Iterable[Array]:
            nonlocal count, products
            for array in arrays:
                flat = array.reshape(len(array), -1).astype(np.float64)
                count, products = count + 1, products + flat @ flat.T
                yield array

        super().fit(watched())
        mean = self.mean.reshape(len(self.mean), -1).astype(np.float64)
        covariance = products / count - mean @ mean.T
        variance = covariance.diagonal().clip(1e-12)
        self._slopes = (covariance / variance).astype(np.float32)  # of a row's channel, on a column's
        likeness = covariance**2 / variance / variance[:, None]
        np.fill_diagonal(likeness, -1)
        self._ranked = np.argsort(-likeness, axis=1, kind="stable")[:, :-1]
        return self

    def guess(self, array: Array, mask: NDArray[np.bool_], side: bytes) -> Array:
        n_channels = len(array)
        received = mask.reshape(n_channels, -1)
        deviation = np.where(received, (array - self.mean).reshape(n_channels, -1), 0)
        copied = np.zeros_like(deviation)
        for channel in np.flatnonzero(~received.all(axis=1)):
            missing = ~received[channel]
            for other in self._ranked[channel]:
                found = missing & received[other]
                copied[channel, found] = self._slopes[channel, other] * deviation[other, found]
                missing &= ~found
                if not missing.any():
                    break
        return self.mean + copied.reshape(array.shape)
