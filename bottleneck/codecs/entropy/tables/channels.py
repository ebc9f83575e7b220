"""One distribution for all latent channels or one for each: decided on samples held out of the count.

::

    training symbols ─┬─► counts of even samples ─┬─► code each half with the other's distributions:
                      └─► counts of odd samples ──┘   shared, and per channel at several strengths

A channel's distribution is its own counts plus `strength` counts that are spread like those of all
channels, so a symbol that this channel did not show costs little more than elsewhere. Halves are made of
whole samples, because symbols of one image resemble each other and would flatter a channel's own counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.entropy.tables import HIGHEST, LOWEST
from bottleneck.codecs.entropy.tables.frequencies import MOST_ENTRIES, TOTAL_BITS

#: Counts that the shared distribution lends to each channel's own.
STRENGTHS = tuple(4.0**k for k in range(8))


class ChannelCounts:
    """How often each symbol occurs in each channel, in even and in odd training samples.

    Channels are counted together once their tables would hold more than 2^16 entries.

    Args:
        shape: Shape of one sample; its first axis is the channel, where there is a second.

    Attributes:
        low: First symbol of the range; never above 0.
        counts: Counts per half, channel and symbol ``low .. high``; the last entry of the last axis counts
            symbols beyond 16 bits. Shape ``(2, n_channels, high - low + 2)``.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        n_channels = shape[0] if len(shape) > 1 and 0 not in shape else 1
        self.low = 0
        self.counts = np.zeros((2, n_channels if n_channels <= MOST_ENTRIES else 1, 2), dtype=np.int64)

    @classmethod
    def fit(cls, samples: Iterable[NDArray[np.int32]], shape: Sequence[int]) -> ChannelCounts:
        """Count in one pass, holding one array at a time.

        Args:
            samples: Arrays of this shape, or batches of them.
            shape: Shape of one sample.
        """
        counted = cls(shape)
        n_samples = 0
        for array in samples:
            batch = array.reshape(len(array) if array.ndim > len(shape) else 1, *shape)
            for sample in batch if batch.size else ():
                counted.add(sample, half=n_samples % 2)
                n_samples += 1
        return counted

    def weights(self) -> NDArray[np.float64]:
        """The distributions to code with, in counts. Shape ``(1 or n_channels, high - low + 2)``.

        One per channel where that saves more bits over the training samples, as the halves predict for
        each other, than the further tables take at 24 bits per entry.
        """
        total = self.counts.sum(axis=0)
        shared = _shared(total)
        if len(total) == 1:
            return shared
        halves = [(self.counts[0], self.counts[1]), (self.counts[1], self.counts[0])]
        bits = [
            sum(_bits(other, _per_channel(half, strength)) for half, other in halves)
            for strength in STRENGTHS
        ]
        saving = sum(_bits(other, _shared(half)) for half, other in halves) - min(bits)
        if saving <= TOTAL_BITS * (total.size - shared.size):
            return shared
        return _per_channel(total, STRENGTHS[int(np.argmin(bits))])

    def add(self, sample: NDArray[Any], half: int = 0) -> None:
        """Count the symbols of one more sample in a half, 0 or 1."""
        symbols = sample.reshape(-1).astype(np.int64)
        outside = (symbols < LOWEST) | (symbols > HIGHEST)
        if not outside.all():
            inside = symbols[~outside]
            self._widen(int(inside.min()), int(inside.max()))
        _, n_channels, n_entries = self.counts.shape
        entry = symbols - self.low
        entry[outside] = n_entries - 1
        entry.reshape(n_channels, -1)[...] += n_entries * np.arange(n_channels)[:, None]
        counts = np.bincount(entry, minlength=n_channels * n_entries)
        self.counts[half] += counts.reshape(n_channels, n_entries)

    def _widen(self, low: int, high: int) -> None:
        """Make room for the symbols ``low .. high``."""
        before = max(self.low - low, 0)
        n_symbols = self.counts.shape[2] - 1
        after = max(high - (self.low + n_symbols - 1), 0)
        if not before and not after:
            return
        if self.counts.shape[1] * (before + n_symbols + after) > MOST_ENTRIES:
            self.counts = self.counts.sum(axis=1, keepdims=True)
        inside, outside = self.counts[:, :, :-1], self.counts[:, :, -1:]
        self.counts = np.concatenate([np.pad(inside, ((0, 0), (0, 0), (before, after))), outside], axis=2)
        self.low -= before


def _shared(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Smoothed counts of all channels together, as `Histogram.smoothed`. Shape ``(1, n)`` from ``(c, n)``."""
    shared: NDArray[np.float64] = counts.sum(axis=0, keepdims=True) + 1.0
    return shared


def _per_channel(counts: NDArray[np.int64], strength: float) -> NDArray[np.float64]:
    """Each channel's counts, and `strength` more that are spread like all channels'. Shape ``(c, n)``."""
    shared = _shared(counts)
    lent: NDArray[np.float64] = strength * shared / shared.sum()
    return counts + lent


def _bits(counts: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """What an ideal coder with this distribution spends on symbols that occur as counted."""
    return -float((counts * np.log2(weights / weights.sum(axis=1, keepdims=True))).sum())
