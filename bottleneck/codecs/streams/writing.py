"""An update as bytes: vectors, classes, then the differences of active blocks, all in one range-coded number.

What is read first says how the rest is read: vectors make the prediction, and prediction and classes choose
the tables of the differences.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.entropy.bitstreams import interval
from bottleneck.codecs.streams.motion import PARTS, predicted
from bottleneck.codecs.streams.tables import StreamTables, vector_symbols, vectors_of
from bottleneck.codecs.streams.update import N_CLASSES, Reference, Update, sent

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


def written(update: Update, before: Reference, tables: StreamTables, block: int, radius: int) -> bytes:
    """The bytes of an update; arguments as `read` takes them."""
    cells = sent(update.classes, block, update.prediction.shape[1:])
    index = tables.difference_index(update.prediction, update.classes, block)
    steps = [
        tables.classes.steps(_flat(update.classes), _flat(before.classes)),
        tables.differences.steps(_flat(update.differences[:, cells]), index),
    ]
    if radius:
        vectors = _flat(vector_symbols(update.vectors))
        steps.insert(0, tables.vectors.steps(vectors, np.zeros_like(vectors)))
    starts, frequencies = (np.concatenate(column) for column in zip(*steps, strict=True))
    return interval.encode(starts, frequencies)


def read(body: bytes, before: Reference, scale: int, tables: StreamTables, block: int, radius: int) -> Update:
    """The update that bytes stand for.

    Args:
        body: What `written` made.
        before: What the update builds on.
        scale: Its scale.
        tables: They are coded with.
        block: Side of a block in cells.
        radius: Of the search for motion in cells; 0: there are no vectors.

    Raises:
        ValueError: If they stand for none.
    """
    reader = interval.Reader(body)
    vectors = np.zeros((*before.classes.shape, 2), dtype=np.int64)
    if radius:
        n = vectors.size
        vectors = vectors_of(reader.read(tables.vectors, np.zeros(n, np.int32), n), before.classes.shape)
        if np.abs(vectors).max() > radius * PARTS:
            raise ValueError(f"payload has motion beyond {radius} cells; it was damaged.")
    prediction = predicted(before.symbols, vectors, block)
    index = _flat(before.classes)
    classes = reader.read(tables.classes, index, index.size).reshape(before.classes.shape).astype(np.int64)
    if not 0 <= classes.min() <= classes.max() < N_CLASSES:
        raise ValueError("payload has blocks of classes that do not exist; it was damaged.")
    cells = sent(classes, block, prediction.shape[1:])
    index = tables.difference_index(prediction, classes, block)
    differences = np.zeros_like(prediction)
    differences[:, cells] = reader.read(tables.differences, index, index.size).reshape(len(prediction), -1)
    reader.finish()
    return Update(vectors, classes, differences, scale, prediction)


def _flat(values: I64) -> I32:
    return values.reshape(-1).astype(np.int32)
