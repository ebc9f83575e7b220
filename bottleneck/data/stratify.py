"""One fixed order of labelled samples, of which every prefix is a fair draw: hold-outs, limits, splits."""

import numpy as np

SEED = 20240229  # a constant of the project: subsets must not move with a run's seed


def stratified_order(labels: np.ndarray) -> np.ndarray:
    """Order samples so that any first n of them mix the classes as the whole does.

    Each class is shuffled and spread evenly over the order, so all classes are used up at one pace: the
    first n samples hold the same share of every class, rounded. Prefixes are nested, and any n works, fewer
    than the classes included. The order depends on the labels alone: not on the run, the process or library
    versions.

    Args:
        labels: Class of each sample, integers. Shape ``(n,)``.

    Returns:
        A permutation of ``0..n-1``. Shape ``(n,)``.
    """
    legacy = np.random.RandomState(SEED)  # NumPy has frozen its stream for good, unlike its newer generators'
    shuffle = legacy.permutation(len(labels))
    _, classes, sizes = np.unique(labels[shuffle], return_inverse=True, return_counts=True)
    grouped = np.argsort(classes, kind="stable")
    rank = np.empty(len(labels), dtype=np.int64)  # a sample's place within its own shuffled class
    rank[grouped] = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order: np.ndarray = shuffle[np.argsort((rank + 0.5) / sizes[classes], kind="stable")]
    return order
