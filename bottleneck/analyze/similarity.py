"""Which channels resemble each other, and the order in which similar ones are neighbours.

Channels are normalised, max-pooled, so that a shift by less than a kernel hardly counts, and compared with
each other and with each other's negative: a channel that shows the same with the opposite sign is similar.

Source: Ulhaq, BASc thesis, Simon Fraser University, 2020.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F


@dataclass(frozen=True)
class Similarity:
    """Distances of channels, averaged over images, in standard deviations of a channel.

    Attributes:
        n: Images.
        distances: Symmetric, zeros on the diagonal. Shape ``(C, C)``.
        order: Of channels, similar ones next to each other.
        neighbours: Mean distance of neighbours as the channels are.
        ordered_neighbours: The same in this order.
    """

    n: int
    distances: list[list[float]]
    order: list[int]
    neighbours: float
    ordered_neighbours: float

    @property
    def summary(self) -> str:
        return (
            f"neighbouring channels are {self.neighbours:.2f} deviations apart, "
            f"{self.ordered_neighbours:.2f} once ordered by similarity"
        )

    @classmethod
    def of(cls, features: NDArray[np.float32], pool: int) -> "Similarity":
        """Compare channels.

        Args:
            features: Shape ``(n, C, H, W)``.
            pool: Width of the maximum that is taken, in coefficients; that of the network's kernels.
        """
        distances = channel_distances(features, pool)
        order = similarity_order(distances)
        ordered = distances[np.ix_(order, order)]
        return cls(
            len(features), distances.tolist(), order, _of_neighbours(distances), _of_neighbours(ordered)
        )


def channel_distances(features: NDArray[np.float32], pool: int) -> NDArray[np.float64]:
    """Mean distance of each two channels, the smaller of both polarities. Shape ``(C, C)``.

    The thesis's Euclidean distance over the root of the pooled size, so that cuts can be compared. A channel
    that is constant in an image is all zeros there.

    Args:
        features: Shape ``(n, C, H, W)``.
        pool: 1 or more.

    Raises:
        ValueError: If `pool` is less.
    """
    if pool < 1:
        raise ValueError(f"similarity.pool={pool} is no width. Use 1 or more.")
    n, n_channels, height, width = features.shape
    total = np.zeros((n_channels, n_channels))
    for image in features:
        planes = torch.from_numpy(image.astype(np.float64))
        centred = planes - planes.mean(dim=(1, 2), keepdim=True)
        deviation = centred.square().mean(dim=(1, 2), keepdim=True).sqrt()
        normal = torch.where(deviation > 0, centred / deviation.clamp(min=1e-300), 0.0)
        kernel = (min(pool, height), min(pool, width))
        up, down = (F.max_pool2d(sign * normal, kernel, ceil_mode=True).flatten(1) for sign in (1, -1))
        opposite = torch.cdist(up, down)
        closest = torch.minimum(torch.cdist(up, up), torch.minimum(opposite, opposite.T))
        total += (closest / up.shape[1] ** 0.5).numpy()
    np.fill_diagonal(total, 0)
    found: NDArray[np.float64] = total / n
    return found


def similarity_order(distances: NDArray[np.float64]) -> list[int]:
    """An order of the channels in which similar ones are neighbours: leaves of a tree of clusters.

    Args:
        distances: Symmetric, zeros on the diagonal. Shape ``(C, C)``.
    """
    from scipy.cluster import hierarchy  # loads slowly
    from scipy.spatial.distance import squareform

    if len(distances) < 3:
        return list(range(len(distances)))
    tree = hierarchy.linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    order: list[int] = hierarchy.leaves_list(tree).tolist()
    return order


def _of_neighbours(distances: NDArray[np.float64]) -> float:
    """Mean distance of each channel and the next."""
    return float(np.diagonal(distances, 1).mean()) if len(distances) > 1 else 0.0
