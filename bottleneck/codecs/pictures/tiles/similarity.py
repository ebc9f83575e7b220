"""Which channels of a feature look alike, and an order in which neighbours do.

Source: Ulhaq, BASc thesis, SFU 2020.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def channel_distances(features: NDArray[np.float32], width: int = 3) -> NDArray[np.float64]:
    """How far apart each two channels are, whatever their mean, deviation and sign.

    ``d(a, b) = min(d'(a, b), d'(a, -b))`` with ``d'(a, b) = ||maxpool(a) - maxpool(b)||`` over all samples,
    of channels normalised by their mean and deviation. Pooling forgives small shifts.

    Args:
        features: Samples, shape ``(n, C, H, W)``.
        width: Side of the pooling window.

    Returns:
        Symmetric distances with a zero diagonal, shape ``(C, C)``.
    """
    if not features.size:
        return np.zeros((features.shape[1],) * 2)
    mean = features.mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    sigma = features.std(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    normal = (features - mean) / np.where(sigma > 0, sigma, 1)
    positive, negative = _pooled(normal, width), _pooled(-normal, width)
    distances = np.minimum(_euclidean(positive, positive), _euclidean(positive, negative))
    distances = np.minimum(distances, distances.T)  # d'(a, -b) need not equal d'(b, -a)
    np.fill_diagonal(distances, 0)
    return distances


def similar_order(distances: NDArray[np.float64]) -> list[int]:
    """A chain through all channels from the first one, each followed by the nearest that is left."""
    left = distances.copy()
    order = [0] if len(left) else []
    while len(order) < len(left):
        left[:, order[-1]] = np.inf
        order.append(int(left[order[-1]].argmin()))
    return order


def _pooled(features: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Each channel's maxima over windows side by side, all samples in a row. Shape ``(C, n)``."""
    n, channels, height, wide = features.shape
    rows, columns = -(-height // width), -(-wide // width)
    added = ((0, 0), (0, 0), (0, rows * width - height), (0, columns * width - wide))
    padded = np.pad(features, added, mode="edge")
    windows: NDArray[np.float64] = padded.reshape(n, channels, rows, width, columns, width).max(axis=(3, 5))
    return windows.swapaxes(0, 1).reshape(channels, -1)


def _euclidean(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    distances: NDArray[np.float64] = np.sqrt(squares.clip(0))
    return distances
