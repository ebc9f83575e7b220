"""A byte budget: which blocks of an update are worth their bits, and in what steps.

::

    update at each scale ─► bits and gain of every block ─► best gain per bit first, while bits are left
                                                        ─► the scale that leaves the least squared error

Blocks that are left out stay as predicted, and are the first to come in later frames.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.entropy.tables import ESCAPE_BITS
from bottleneck.codecs.entropy.tables.frequencies import TOTAL_BITS, FrequencyTables
from bottleneck.codecs.streams.motion import block_sums, of_cells
from bottleneck.codecs.streams.tables import StreamTables, vector_symbols
from bottleneck.codecs.streams.update import Reference, Update, sent

I64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


def best_within(
    most_bits: float,
    updates: Iterable[Update],
    frame: I64,
    before: Reference,
    tables: StreamTables,
    block: int,
) -> Update | None:
    """What of a frame's updates comes closest to it within a budget; None where not even their classes do.

    Args:
        most_bits: The budget.
        updates: Of the frame at different scales, the finest first; not asked for more once all of one fits.
        frame: Symbols, shape ``(C, H, W)``.
        before: What the updates build on.
        tables: They are coded with.
        block: Side of a block in cells.
    """
    best, least = None, np.inf
    for update in updates:
        gains, bits, fixed = _worth(update, frame, before, tables, block)
        room = most_bits - fixed
        if room < 0:
            continue
        whole = bits.sum() <= room
        kept = np.ones(bits.shape, dtype=bool) if whole else _most_gain(gains, bits, room)
        error = -gains[kept].sum()
        if error < least:
            best, least = update if whole else _only(update, kept, block), error
        if whole:
            break
    return best


def _most_gain(gains: Float64, bits: Float64, room: float) -> NDArray[np.bool_]:
    """The blocks with the most gain per bit that have room together."""
    order = np.argsort(-gains / bits, axis=None, kind="stable")
    order = order[(gains.reshape(-1)[order] > 0) & (bits.reshape(-1)[order] <= room)]
    kept = np.zeros(bits.size, dtype=bool)
    kept[order[bits.reshape(-1)[order].cumsum() <= room]] = True
    return kept.reshape(bits.shape)


def _worth(
    update: Update, frame: I64, before: Reference, tables: StreamTables, block: int
) -> tuple[Float64, Float64, float]:
    """Squared error that each block takes away; the bits that it takes; bits without any block."""
    left = (frame - update.prediction).astype(np.float64)
    gains = block_sums((left**2 - (left - update.scale * update.differences) ** 2).sum(axis=0), block)
    classes, given = update.classes.reshape(-1), before.classes.reshape(-1)
    silent = _bits(tables.classes, np.zeros_like(classes), given)
    spent = _bits(tables.classes, classes, given) - silent
    cells = sent(update.classes, block, frame.shape[1:])
    index = tables.difference_index(update.prediction, update.classes, block)
    differences = update.differences[:, cells]
    of_cell = np.zeros(cells.shape)
    of_symbol = _bits(tables.differences, differences.reshape(-1), index)
    of_cell[cells] = of_symbol.reshape(differences.shape).sum(axis=0)
    bits = spent.reshape(gains.shape) + block_sums(of_cell, block)
    vectors = vector_symbols(update.vectors)
    fixed = silent.sum() + _bits(tables.vectors, vectors, np.zeros_like(vectors)).sum()
    return gains, np.maximum(bits, 1e-9), float(fixed)


def _bits(tables: FrequencyTables, symbols: I64, index: NDArray[np.integer]) -> Float64:
    """What each symbol takes. Shape ``(n,)``."""
    entry = symbols - tables.low
    outside = (entry < 0) | (entry >= tables.n_symbols)
    entry = np.where(outside, tables.n_symbols, entry)
    found: Float64 = TOTAL_BITS - np.log2(tables.frequencies[index, entry]) + ESCAPE_BITS * outside
    return found


def _only(update: Update, kept: NDArray[np.bool_], block: int) -> Update:
    """An update of some blocks alone."""
    cells = of_cells(kept, block, update.prediction.shape[1:])
    return update._replace(classes=update.classes * kept, differences=update.differences * cells)
