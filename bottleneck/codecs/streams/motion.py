"""Motion between maps: vectors of blocks, found by full search, and what they predict of the next map.

::

    prediction(c, y, x) = reference(c, y + v_y, x + v_x)      one vector for a block of cells and all channels

Vectors are in quarters of a cell, bilinear between cells. Integer maps give integer predictions, rounded in
integer arithmetic, so both sides predict the same. A shift of the image by k × stride moves the interior of a
feature by exactly k cells; by fractions of the stride, only nearly.

Source: Ulhaq, BASc thesis, SFU 2020; vectors per block are its future work.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
I64 = NDArray[np.int64]

#: Parts of a cell in which vectors are counted.
PARTS = 4


def predicted(reference: Array, vectors: I64, block: int) -> Array:
    """What vectors make of a reference; sources beyond its edge are the edge.

    Args:
        reference: Shape ``(C, H, W)``. Integers give integers, rounded half up; below 2^58.
        vectors: Vertical and horizontal, in quarters of a cell. Shape ``(ceil(H / block), ceil(W / block),
            2)``.
        block: Side of a block in cells.

    Returns:
        Shape ``(C, H, W)`` and the reference's dtype.
    """
    (top, bottom, down), (left, right, across) = _sources(reference.shape, vectors, block)
    height, width = reference.shape[1:]
    rows = top.clip(0, height - 1), bottom.clip(0, height - 1)
    columns = left.clip(0, width - 1), right.clip(0, width - 1)
    if not down.any() and not across.any():
        return reference[:, rows[0], columns[0]]
    total = np.zeros_like(reference)
    for row, vertical in zip(rows, (PARTS - down, down), strict=True):
        for column, horizontal in zip(columns, (PARTS - across, across), strict=True):
            total += (vertical * horizontal).astype(reference.dtype) * reference[:, row, column]
    if reference.dtype.kind == "f":
        return total / PARTS**2
    return (total + PARTS**2 // 2) // PARTS**2


def valid(shape: tuple[int, int, int], vectors: I64, block: int) -> NDArray[np.bool_]:
    """Where a prediction has its whole source inside the reference. Shape ``(H, W)``.

    Args:
        shape: The reference's.
        vectors: See `predicted`.
        block: Likewise.
    """
    (top, bottom, down), (left, right, across) = _sources(shape, vectors, block)
    bottom, right = np.where(down, bottom, top), np.where(across, right, left)
    inside: NDArray[np.bool_] = (top >= 0) & (bottom < shape[1]) & (left >= 0) & (right < shape[2])
    return inside


def block_vectors(reference: Array, current: Array, block: int, radius: int, price: float = 0.0) -> I64:
    """Vectors by which a reference predicts a map best: least sum of absolute differences.

    Every whole cell within the radius is tried, then halves and quarters around the best of them.

    Args:
        reference: The map before. Shape ``(C, H, W)``; of an image, ``(1, H, W)`` at the feature's size.
        current: Likewise, the map that is to be predicted.
        block: Side of a block in cells; differences are summed over its cells and all channels.
        radius: Cells in each direction; 0: no motion.
        price: What a vector that is not zero has to save.

    Returns:
        As `predicted` takes them.
    """
    shape = (*blocks(current.shape[1:], block), 2)
    best = np.zeros(shape, dtype=np.int64)
    least = _differences(reference, current, best, block) - price
    reaches = (min(radius, side - 1) for side in current.shape[1:])  # farther ones show the same: the edge
    rows, columns = (range(-reach, reach + 1) for reach in reaches)
    for cells in sorted(itertools.product(rows, columns), key=lambda v: abs(v[0]) + abs(v[1])):
        candidate = np.broadcast_to(np.array(cells, dtype=np.int64) * PARTS, shape)
        best, least = _better(reference, current, candidate, block, best, least)
    for step in (2, 1) if radius else ():
        centre = best
        for direction in itertools.product((-step, 0, step), repeat=2):
            candidate = (centre + direction).clip(-radius * PARTS, radius * PARTS)
            best, least = _better(reference, current, candidate, block, best, least)
    return best


def blocks(size: tuple[int, ...], block: int) -> tuple[int, ...]:
    """How many blocks there are, smaller ones at the lower and right edge included."""
    return tuple(-(-side // block) for side in size)


def block_sums(values: Array, block: int) -> Array:
    """Sum of the values of each block. Shape ``(ceil(H / block), ceil(W / block))`` from ``(H, W)``."""
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], block), axis=0)
    return np.add.reduceat(rows, np.arange(0, values.shape[1], block), axis=1)


def of_cells(per_block: Array, block: int, size: tuple[int, ...]) -> Array:
    """Every cell's entry of its block. Shape ``(H, W, ...)``."""
    return per_block.repeat(block, axis=0).repeat(block, axis=1)[: size[0], : size[1]]


def _better(
    reference: Array, current: Array, candidate: I64, block: int, best: I64, least: Array
) -> tuple[I64, Array]:
    found = _differences(reference, current, candidate, block)
    better = found < least
    return np.where(better[..., None], candidate, best), np.where(better, found, least)


def _differences(reference: Array, current: Array, vectors: I64, block: int) -> Array:
    return block_sums(np.abs(current - predicted(reference, vectors, block)).sum(axis=0), block)


def _sources(
    shape: tuple[int, ...], vectors: I64, block: int
) -> tuple[tuple[I64, I64, I64], tuple[I64, I64, I64]]:
    """Rows, then columns: the nearer source of every cell, the farther, and the farther's weight."""
    moved = of_cells(vectors, block, shape[1:])
    places = np.indices(shape[1:])
    rows, columns = (places[axis] + moved[..., axis] // PARTS for axis in (0, 1))
    return (rows, rows + 1, moved[..., 0] % PARTS), (columns, columns + 1, moved[..., 1] % PARTS)
