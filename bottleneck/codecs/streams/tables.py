"""Tables of a stream: how often classes of activity, differences and vectors occur, given what is known.

::

    class of a block      given the class that it had in the frame before
    difference            given its block's class, and the predicted symbol where there are several contexts
    vector of a block     its components' differences from the block before, in raster order

Counted on training samples that follow each other. What these have not shown is lent by a guess, as a few
counts: a class like the one before, differences that fall off geometrically with their class's mean. So
tables fitted on still pictures code a stream too, only not as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.entropy.tables.frequencies import MOST_ENTRIES, FrequencyTables
from bottleneck.codecs.streams.motion import PARTS, of_cells
from bottleneck.codecs.streams.update import N_CLASSES, Reference, Update, sent

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

_LENT_CLASSES, _LENT_DIFFERENCES, _LENT_VECTORS = 4.0, 32.0, 8.0  # counts that guesses stand for
_LEAST_WEIGHT = 1e-6  # of what neither counts nor guesses expect


@dataclass(frozen=True)
class StreamTables:
    """What both sides know of a stream before its first frame.

    Attributes:
        typical: The usual symbol of each channel, shape ``(C,)``; key frames that must be short build on it.
        contexts: Kinds of predicted symbols that differences have tables for.
        classes: One table for each class that a block had before, `UNKNOWN` included.
        differences: One for each class above 0, and in it one for each context.
        vectors: One.
    """

    typical: I64
    contexts: int
    classes: FrequencyTables
    differences: FrequencyTables
    vectors: FrequencyTables

    def difference_index(self, prediction: I64, classes: I64, block: int) -> I32:
        """Which table each difference that is sent uses, channel by channel. Shape ``(n,)``.

        Args:
            prediction: Shape ``(C, H, W)``.
            classes: Of blocks.
            block: Side of a block in cells.
        """
        cells = sent(classes, block, prediction.shape[1:])
        row = of_cells(classes, block, prediction.shape[1:])[cells] - 1
        relative = prediction[:, cells]
        relative -= self.typical[:, None]
        return _index(relative, row, self.contexts)

    def to_dict(self) -> dict[str, Any]:
        """The tables as JSON values."""
        tables = {name: getattr(self, name).to_dict() for name in ("classes", "differences", "vectors")}
        return {"typical": self.typical.tolist(), "contexts": self.contexts, **tables}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], n_channels: int, contexts: int) -> StreamTables:
        """The tables that `to_dict` described.

        Raises:
            ValueError: If they are none, or not those of a stream of so many channels and contexts.
        """
        typical = np.array(d["typical"], dtype=np.int64)
        tables = {name: FrequencyTables.from_dict(d[name]) for name in ("classes", "differences", "vectors")}
        rows = [tables[name].n_tables for name in ("classes", "differences", "vectors")]
        wanted = [N_CLASSES + 1, (N_CLASSES - 1) * contexts, 1]
        classes = tables["classes"]
        if (
            typical.shape != (n_channels,)
            or d["contexts"] != contexts
            or rows != wanted
            or (classes.low, classes.n_symbols) != (0, N_CLASSES)
        ):
            raise ValueError(
                f"tables of {typical.size} channels and {rows} rows; this stream has {n_channels} channels "
                f"and takes {wanted}. Pass what to_dict returned."
            )
        return cls(typical, contexts, **tables)


class UpdateCounts:
    """How often classes, differences and vectors occur in updates.

    Args:
        typical: Of each channel.
        contexts: See `StreamTables`.
        span: Largest difference that is counted by itself.
        radius: Of the search for motion, in cells.
    """

    def __init__(self, typical: I64, contexts: int, span: int, radius: int) -> None:
        self.typical, self.contexts = typical, contexts
        rows = (N_CLASSES - 1) * contexts
        self.span = min(span, (MOST_ENTRIES // rows - 1) // 2)
        self.reach = 2 * radius * PARTS  # from one end of the search to the other
        self.classes = np.zeros((N_CLASSES + 1, N_CLASSES))
        self.differences = np.zeros((rows, 2 * self.span + 1))
        self.vectors = np.zeros((1, 2 * self.reach + 1))

    def add(self, update: Update, reference: Reference, block: int) -> None:
        """Count one update."""
        np.add.at(self.classes, (reference.classes, update.classes), 1)
        np.add.at(self.vectors[0], vector_symbols(update.vectors) + self.reach, 1)
        cells = sent(update.classes, block, update.prediction.shape[1:])
        row = of_cells(update.classes, block, update.prediction.shape[1:])[cells] - 1
        index = _index(update.prediction[:, cells] - self.typical[:, None], row, self.contexts)
        found = update.differences[:, cells].reshape(-1)
        near = np.abs(found) <= self.span
        entries = index[near] * self.differences.shape[1] + found[near] + self.span
        self.differences += np.bincount(entries, minlength=self.differences.size).reshape(
            self.differences.shape
        )

    def tables(self) -> StreamTables:
        """The tables to code with."""
        far = np.abs(np.arange(N_CLASSES + 1)[:, None] - np.arange(N_CLASSES))
        like_before = np.where(np.arange(N_CLASSES + 1)[:, None] < N_CLASSES, 0.5**far, 1.0)
        still = 0.5 ** np.abs(np.arange(-self.reach, self.reach + 1))[None]
        given_class = self.differences.reshape(N_CLASSES - 1, self.contexts, -1)
        of_class = _lent(given_class.sum(axis=1), _geometric(self.span), _LENT_DIFFERENCES)
        of_context = _lent(given_class, of_class[:, None], _LENT_DIFFERENCES)
        return StreamTables(
            self.typical,
            self.contexts,
            classes=_frequencies(0, _lent(self.classes, like_before, _LENT_CLASSES)),
            differences=_frequencies(-self.span, of_context.reshape(self.differences.shape)),
            vectors=_frequencies(-self.reach, _lent(self.vectors, still, _LENT_VECTORS)),
        )


def vector_symbols(vectors: I64) -> I64:
    """Components of vectors, each less that of the block before. Shape ``(2 * n_blocks,)``."""
    return np.diff(vectors.reshape(-1, 2), axis=0, prepend=0).reshape(-1)


def vectors_of(symbols: NDArray[Any], shape: tuple[int, ...]) -> I64:
    """The vectors of `vector_symbols`. Shape ``(*shape, 2)``."""
    return symbols.astype(np.int64).reshape(-1, 2).cumsum(axis=0).reshape(*shape, 2)


def _index(relative: I64, row: I64, contexts: int) -> I32:
    """Number of the table of predictions that lie so far from the typical symbol; `relative` is used up.

    Returns:
        Shape ``(C * n,)``.
    """
    relative += contexts // 2
    np.clip(relative, 0, contexts - 1, out=relative)
    relative += row * contexts
    return relative.astype(np.int32).reshape(-1)


def _geometric(span: int) -> Float64:
    """Two-sided geometric weights with each class's mean absolute value. Shape ``(N_CLASSES - 1, n)``."""
    mean = 0.75 * 2.0 ** np.arange(-5, N_CLASSES - 6)[:, None]  # of a class from half its end to its end
    ratio = (np.sqrt(1 + mean**2) - 1) / mean
    weights: Float64 = ratio ** np.abs(np.arange(-span, span + 1))
    return weights


def _lent(counts: Float64, guess: Float64, strength: float) -> Float64:
    lent: Float64 = counts + strength * guess / guess.sum(axis=-1, keepdims=True)
    return lent


def _frequencies(low: int, weights: Float64) -> FrequencyTables:
    """Tables of these weights, and of a rare escape."""
    rows = np.concatenate([weights, np.zeros((len(weights), 1))], axis=1) + _LEAST_WEIGHT
    return FrequencyTables.from_weights(low, rows)
