"""What a frame changes in the frame before: motion and activity of blocks, and the differences that are left.

::

    reference ─► predicted by vectors ─┐
    frame ─────────────────────────────┴► difference ─► 0 where tolerated ─► / scale ─► classes of blocks

A block's class tells how active it is: 0 says that nothing is left, and its differences are not sent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.streams.motion import block_sums, blocks, of_cells, predicted

I64 = NDArray[np.int64]

#: Upper ends of the classes 1, 2, ...: mean absolute difference of a block's elements, in parts of 32. The
#: last class is what lies above.
EDGES = 1 << np.arange(8)
N_CLASSES = EDGES.size + 2

#: Class of every block of a frame that builds on none.
UNKNOWN = N_CLASSES

#: Range of the symbols that are coded, and of differences.
LEAST, MOST = -(2**31), 2**31 - 1

#: What a vector has to save: about its bits, as a difference of 1 is worth about one.
VECTOR_PRICE = 8.0

_PARTS = 32


class Reference(NamedTuple):
    """What both sides know of the last frame.

    Attributes:
        symbols: As they were decoded, shape ``(C, H, W)``.
        classes: Of its blocks, shape ``(ceil(H / block), ceil(W / block))``.
    """

    symbols: I64
    classes: I64


class Update(NamedTuple):
    """A frame, given a reference.

    Attributes:
        vectors: Of blocks, see `motion.predicted`.
        classes: Of blocks.
        differences: From the prediction, in steps of `scale`. Shape ``(C, H, W)``.
        scale: Symbols in a step. 1: the frame is exact, but for the tolerance.
        prediction: What they differ from, shape ``(C, H, W)``.
    """

    vectors: I64
    classes: I64
    differences: I64
    scale: int
    prediction: I64

    def applied(self, lowest: int, highest: int) -> Reference:
        """The frame as both sides will know it, within the range that symbols have."""
        symbols = self.scale * self.differences  # from here on in place: a decoder's memory is bounded
        symbols += self.prediction
        if self.scale == 1:
            symbols = _wrapped(symbols)
        return Reference(symbols.clip(lowest, highest, out=symbols), self.classes)


def update_of(
    frame: I64, reference: Reference, vectors: I64, block: int, tolerance: int, scale: int
) -> Update:
    """How a frame follows from a reference.

    Args:
        frame: Symbols within int32, shape ``(C, H, W)``.
        reference: The frame before, as it was decoded.
        vectors: Of blocks, as `motion.block_vectors` finds them.
        block: Side of a block in cells.
        tolerance: Differences up to this are not sent.
        scale: See `Update`.
    """
    prediction = predicted(reference.symbols, vectors, block)
    left = frame - prediction
    left[np.abs(left) <= tolerance] = 0
    differences = _wrapped(left) if scale == 1 else ((left + scale // 2) // scale).clip(LEAST, MOST)
    return Update(vectors, classes_of(differences, block), differences, scale, prediction)


def classes_of(differences: I64, block: int) -> I64:
    """How active each block is, 0 to `N_CLASSES` - 1."""
    n_channels, *size = differences.shape
    elements = n_channels * block_sums(np.ones(size, dtype=np.int64), block)
    total = block_sums(np.abs(differences).sum(axis=0), block)
    above = (_PARTS * total)[..., None] > elements[..., None] * EDGES
    return np.where(total > 0, 1 + above.sum(axis=-1), 0)


def sent(classes: I64, block: int, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """The cells whose differences are sent. Shape ``(H, W)``."""
    found: NDArray[np.bool_] = of_cells(classes, block, size) > 0
    return found


def untouched(symbols: NDArray[Any], block: int, of_class: int) -> Reference:
    """A frame whose blocks are all of one class."""
    shape = blocks(symbols.shape[1:], block)
    return Reference(symbols.astype(np.int64), np.full(shape, of_class, dtype=np.int64))


def _wrapped(values: I64) -> I64:
    """Modulo 2^32, to int32, in place: differences of any two symbols fit, and their sum is exact again."""
    values -= LEAST
    values &= 2**32 - 1
    values += LEAST
    return values
