"""Context coder: a range coder whose tables follow from the channels that were coded before.

::

    training symbols ─► learning ─► weights ─┬─► predictor ─► mean, scale ─► counted tables
                                             │
    groups so far ─► predictor ─► mean, scale of the next group ─► its tables ─► range coder

The encoder of a unit leaves much for channels to tell of each other: tables that take them for independent
spend an eighth more bits. What a group of channels is expected to be follows from the groups before it, so a
decoder needs as many passes as there are groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_integer
from bottleneck.codecs.entropy.bitstreams import interval
from bottleneck.codecs.entropy.context.predictor import (
    MEAN_PARTS,
    SCALE_PARTS,
    SIDE,
    Predictor,
    Weights,
    group_bounds,
    plane_of,
)
from bottleneck.codecs.entropy.tables.frequencies import MOST_ENTRIES, MOST_SYMBOL_BYTES, FrequencyTables
from bottleneck.codecs.libraries import require
from bottleneck.codecs.stage import ArrayToBytes, Form, bytes_form

_MOST_KEPT = 1 << 25  # training symbols that are looked at
_COUNTED = 1 << 22  # of them, for the tables
_LENT = 16.0  # counts that are spread like a logistic density, in each table
_MOST_AWAY = 100  # from the mean, for symbols that have a frequency of their own


class ContextCoder(ArrayToBytes):
    """Codes channels in groups, each with tables that follow from the groups before it.

    Made for trained latents: symbols more than 100 from what is expected of them are an escape and 32 bits.
    `fit` takes PyTorch, and a minute; coding takes NumPy.

    Args:
        form: The first axis of the shape is the latent channel.
        groups: Passes of the decoder.
        width: Hidden units of the network that expects. With C channels it takes ``20 · C · width``
            multiply-accumulates per position, on both sides.

    Raises:
        ValueError: If an option is out of range.
    """

    name = "context"
    takes = ("symbols", "levels")
    needs_fit = True
    only_whole = True  # each channel is coded in the light of the others

    def __init__(self, form: Form, groups: int = 16, width: int = 64) -> None:
        super().__init__(form)
        self._groups = as_integer(groups, "groups", 1, 1024)
        self._width = as_integer(width, "width", 1, 4096)
        self.gives = bytes_form(MOST_SYMBOL_BYTES * form.n_values + 1)
        shape = form.shape or (1,)
        self._channels, self._plane = shape[0], plane_of(shape)
        bounds = group_bounds(self._channels, max(1, min(self._groups, self._channels)))
        seen, expected = 2 * SIDE**2 * bounds[-2], 2 * (self._channels - bounds[1])  # channels of the others
        self.macs = (seen + expected) * self._width * math.prod(self._plane)
        self._predictor: Predictor
        self._weights: Weights
        self._frequencies: FrequencyTables
        self._narrowest: int

    def fit(self, arrays: Iterable[NDArray[Any]]) -> None:
        require("torch", "torch", self.name)
        from bottleneck.codecs.entropy.context.learning import learn

        samples = _thinned(self.form.singles(arrays), max(1, _MOST_KEPT // max(1, self.form.n_values)))
        given = (
            np.stack(samples).reshape(len(samples), self._channels, *self._plane).astype(np.int32, copy=False)
        )
        self._expect_with(learn(given, self._groups, self._width))
        self._count(given[:: max(1, given.size // _COUNTED)])

    def _expect_with(self, weights: Weights) -> None:
        self._weights, self._predictor = weights, Predictor(weights, self._plane)

    def _count(self, samples: NDArray[np.int32]) -> None:
        """Tables for every scale that is expected of samples, and every part of a mean."""
        walked = [list(self._walked(sample)) for sample in samples]
        means, scales, symbols = (
            np.concatenate([part[i].ravel() for walk in walked for part in walk]) for i in range(3)
        )
        self._narrowest, widest = (int(find(scales)) if scales.size else 0 for find in (np.min, np.max))
        n_tables = (widest - self._narrowest + 1) * MEAN_PARTS
        away = _wrapped(symbols, -(means // MEAN_PARTS))
        most = min(_MOST_AWAY, (MOST_ENTRIES // n_tables - 1) // 2)
        reach = int(min(most, max(1, np.abs(away.astype(np.int64)).max(initial=0) + 1)))
        table = (scales - self._narrowest) * MEAN_PARTS + means % MEAN_PARTS
        near = (-reach <= away) & (away <= reach)
        entry = np.where(near, away + reach, 2 * reach + 1)
        counts = np.bincount(table * (2 * reach + 2) + entry, minlength=n_tables * (2 * reach + 2))
        lent = _logistic(self._narrowest, n_tables, reach)
        self._frequencies = FrequencyTables.from_weights(-reach, counts.reshape(n_tables, -1) + _LENT * lent)

    def tables(self) -> dict[str, Any]:
        return {
            "weights": self._weights.to_dict(),
            "narrowest": self._narrowest,
            **self._frequencies.to_dict(),
        }

    def load_tables(self, tables: Mapping[str, Any]) -> None:
        weights, narrowest = tables.get("weights"), tables.get("narrowest")
        if not isinstance(weights, Mapping) or not isinstance(narrowest, int) or abs(narrowest) > 1 << 20:
            raise ValueError("not a description of a context's tables. Pass what to_dict returned.")
        frequencies = FrequencyTables.from_dict(tables)
        if frequencies.n_tables % MEAN_PARTS:
            raise ValueError(
                f"{frequencies.n_tables} tables are none for each of {MEAN_PARTS} parts of a mean."
            )
        self._expect_with(Weights.from_dict(weights, self._channels))
        self._frequencies, self._narrowest = frequencies, narrowest

    def ideal_bits(self, array: NDArray[Any]) -> float:
        return sum(self._frequencies.ideal_bits(away, tables) for away, tables in self._grouped(array))

    def encode(self, array: NDArray[Any]) -> bytes:
        steps = [self._frequencies.steps(away, tables) for away, tables in self._grouped(array)]
        starts, frequencies = (np.concatenate(parts) for parts in zip(*steps, strict=True))
        return interval.encode(starts, frequencies)

    def decode(self, payload: bytes) -> NDArray[Any]:
        reader, predictor = interval.Reader(payload), self._predictor
        decoded = np.empty((self._channels, self._plane[0] * self._plane[1]), dtype=np.int32)
        known = predictor.begin()
        for group in range(self._weights.groups):
            mean, scale = predictor.expect(group, known)
            away = reader.read(self._frequencies, self._tables_of(mean, scale), mean.size)
            symbols = _wrapped(away.reshape(mean.shape), mean // MEAN_PARTS)
            predictor.see(group, known, symbols)
            decoded[self._in_group(group)] = symbols
        reader.finish()
        return decoded

    def _grouped(self, array: NDArray[Any]) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """For each group of a sample, how far its symbols are from their means, and the tables they use."""
        for mean, scale, symbols in self._walked(array):
            yield _wrapped(symbols, -(mean // MEAN_PARTS)).ravel(), self._tables_of(mean, scale)

    def _walked(
        self, array: NDArray[Any]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]]:
        """Mean, scale and symbols of each group of a known sample."""
        n_places = self._plane[0] * self._plane[1]
        given = array.reshape(self._channels, n_places).astype(np.int32, copy=False)
        known = self._predictor.begin()
        for group in range(self._weights.groups):
            symbols = given[self._in_group(group)]
            mean, scale = self._predictor.expect(group, known)
            yield mean, scale, symbols
            self._predictor.see(group, known, symbols)

    def _in_group(self, group: int) -> NDArray[np.int64]:
        bounds = self._predictor.bounds
        return self._weights.order[bounds[group] : bounds[group + 1]]

    def _tables_of(self, mean: NDArray[np.int64], scale: NDArray[np.int64]) -> NDArray[np.int32]:
        n_scales = self._frequencies.n_tables // MEAN_PARTS
        row = np.minimum(np.maximum(scale - self._narrowest, 0), n_scales - 1)
        return (row * MEAN_PARTS + mean % MEAN_PARTS).ravel().astype(np.int32)


def _wrapped(symbols: NDArray[Any], more: NDArray[np.int64]) -> NDArray[np.int32]:
    """Their sum as int32, around 2^32, so that every symbol has a distance to every mean."""
    return (symbols.astype(np.int64) + more).astype(np.int32)


def _thinned(samples: Iterable[NDArray[Any]], most: int) -> list[NDArray[Any]]:
    """At most so many samples, evenly chosen from however many come."""
    kept: list[NDArray[Any]] = []
    every = 1
    for number, sample in enumerate(samples):
        if number % every == 0:
            kept.append(sample.copy())
        if len(kept) > most:
            kept, every = kept[::2], 2 * every
    return kept


def _logistic(narrowest: int, n_tables: int, reach: int) -> NDArray[np.float64]:
    """A logistic density of every scale and part of a mean, on the symbols around it. Rows sum to one."""
    table = np.arange(n_tables)[:, None]
    scale = 2.0 ** ((narrowest + table // MEAN_PARTS) / SCALE_PARTS)
    edges = np.arange(-reach, reach + 2) - 0.5 - table % MEAN_PARTS / MEAN_PARTS
    below = 1 / (1 + np.exp(-np.clip(edges / scale, -500, 500)))
    inside = np.diff(below, axis=1)
    return np.concatenate([inside, 1 - inside.sum(1, keepdims=True)], axis=1).clip(1e-9)
