"""Zeros, and means: of the channel, of the element over the training data, and of both.

Source: Ulhaq, BASc thesis, SFU 2020.
"""

import itertools
from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.levels.mid_point import pooled_moments
from bottleneck.lossy.concealment.base import Array, Concealment

_SENT = np.dtype("<f2")  # how the means of channels travel
_LARGEST = float(np.finfo(_SENT).max)


class Zero(Concealment):
    """Nothing."""

    name = "zero"

    def guess(self, array: Array, mask: NDArray[np.bool_], side: bytes) -> Array:
        return np.zeros(())


class ChannelMean(Concealment):
    """The mean of the channel, computed before anything was lost; two bytes per channel are sent along."""

    name = "channel-mean"

    def side(self, array: Array) -> bytes:
        return _channel_means(array).clip(-_LARGEST, _LARGEST).astype(_SENT).tobytes()

    def guess(self, array: Array, mask: NDArray[np.bool_], side: bytes) -> Array:
        if len(side) != _SENT.itemsize * len(array):
            raise ValueError(
                f"{len(side)} bytes of channel means for {len(array)} channels: pass what side() made."
            )
        return np.frombuffer(side, _SENT).astype(np.float32).reshape(-1, *[1] * (array.ndim - 1))


class DataSetMean(Concealment):
    """The mean of each element over the training samples, a table on the server.

    Attributes:
        mean: The table, of a sample's shape; not before `fit`.
    """

    name = "mean"

    def __init__(self) -> None:
        self.mean: NDArray[np.float32]

    def fit(self, arrays: Iterable[Array]) -> Self:
        samples = iter(arrays)
        first = next(samples, None)
        if first is None:
            raise ValueError("no samples to learn means from. Pass training samples.")
        everything = itertools.chain([first], samples)
        self.mean = pooled_moments(first.shape, "neuron", everything)[0].astype(np.float32)
        return self

    def guess(self, array: Array, mask: NDArray[np.bool_], side: bytes) -> Array:
        return self.mean


class Hybrid(ChannelMean):
    """The data set's mean of each element, moved so that the channel has the mean that was sent along."""

    name = "hybrid"

    def __init__(self) -> None:
        self.table = DataSetMean()

    def fit(self, arrays: Iterable[Array]) -> Self:
        self.table.fit(arrays)
        return self

    def guess(self, array: Array, mask: NDArray[np.bool_], side: bytes) -> Array:
        mean = self.table.mean
        moved: Array = super().guess(array, mask, side) - _channel_means(mean)
        return mean + moved


def _channel_means(array: Array) -> Array:
    means: Array = array.mean(axis=tuple(range(1, array.ndim)), keepdims=True)
    return means
