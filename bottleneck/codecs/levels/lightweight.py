"""Lightweight: clip a feature, keep a handful of levels, code them adaptively. Nothing is trained.

::

    training features ─► moments ─► distribution ─► clipping range ─► levels and thresholds   (fit, once)

    feature ─► index of its level ─► truncated unary ─► adaptive binary arithmetic coder ─► payload

Source: Cohen, Choi and Bajić, "Lightweight compression of neural network feature tensors for collaborative
intelligence", ICME 2020, arXiv:2105.06002, and its journal version, arXiv:2105.07102. Their 12 bytes of range
and levels in front of each payload are in the codec's description here, since they never change.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_choice, as_integer, as_number
from bottleneck.codecs.entropy.bitstreams import unary
from bottleneck.codecs.levels.design.clipping import RULES
from bottleneck.codecs.levels.design.entropy_constrained import EntropyConstrained
from bottleneck.codecs.levels.design.scalar_quantizer import MOST_LEVELS, ScalarQuantizer
from bottleneck.codecs.levels.design.training_values import TrainingValues
from bottleneck.codecs.stage import ArrayToBytes, Form, bytes_form

Quantizer = Literal["uniform", "ecq", "ecq-unpinned"]
Low = Literal["auto", "zero", "free"]

_WINDOWS = (3, 4, 5, 6, 7, 8, unary.NEVER)  # to choose the two of the estimates from
_MOST_TRIAL_SAMPLES = 16


class Lightweight(ArrayToBytes):
    """Clips, quantizes and codes a feature at a fraction of a bit to a few bits per element.

    Lossy: `decode` returns the nearest (`uniform`) or best-value (`ecq`) of N levels, fitted on training
    features, for every element.

    Args:
        form: A feature.
        levels: N, 2 to 256; no power of two needed. Larger: more rate, smaller error.
        quantizer: ``uniform`` with its outer levels at the ends of the clipping range; ``ecq``, which moves
            the inner levels and all cells to trade error for bits; ``ecq-unpinned``, which moves all levels.
        lagrangian: Squared error that the ecq pays for a bit, in variances of the feature. Larger: less
            rate, larger error. 0: as if bits were free.
        clipping: Rule of `clipping.RULES` that sets the range: ``model``, ``empirical``, ``aciq``,
            ``percentile`` or ``minmax``.
        slope: Of the activation below 0: 0 for ReLU, 0.1 or so for leaky ones, 1 for none. None: 0 where no
            training value is negative, else 1.
        low: Lower end of the range: ``zero``; ``free``, chosen like the upper end; or ``auto``, which is
            free only where there is no activation.

    Attributes:
        scalar_quantizer: Levels and thresholds; not before `fit`. A single level where training values are
            all equal.
        contexts: Where the coder's estimates start and how quickly they follow; not before `fit`.
    """

    name = "lightweight"
    takes = ("feature",)
    needs_fit = True

    def __init__(
        self,
        form: Form,
        levels: int = 4,
        quantizer: Quantizer = "uniform",
        lagrangian: float = 0.05,
        clipping: str = "model",
        slope: float | None = None,
        low: Low = "auto",
    ) -> None:
        super().__init__(form)
        self.levels = as_integer(levels, "levels", 2, MOST_LEVELS)
        self.quantizer: Quantizer = as_choice(quantizer, "quantizer", ("uniform", "ecq", "ecq-unpinned"))
        self.lagrangian = as_number(lagrangian, "lagrangian", 0, 1e6)
        self.clipping = as_choice(clipping, "clipping", tuple(RULES))
        self.slope = None if slope is None else as_number(slope, "slope", 0, 1)
        self.low: Low = as_choice(low, "low", ("auto", "zero", "free"))
        self.scalar_quantizer: ScalarQuantizer
        self.contexts: unary.Contexts
        self.gives = bytes_form(unary.longest(form.n_values, self.levels))

    def fit(self, arrays: Iterable[NDArray[Any]]) -> None:
        trial = _EvenlySpread(_MOST_TRIAL_SAMPLES)
        values = TrainingValues(trial.watch(self.form.singles(arrays)))
        self.scalar_quantizer = self._designed(values)
        draw = self.scalar_quantizer.indices(values.draw.values.astype(np.float32))
        counts = np.bincount(draw, minlength=self.scalar_quantizer.levels.size)
        indices = [self.scalar_quantizer.indices(sample.reshape(-1)) for sample in trial.kept]
        self.contexts = min(
            (
                unary.Contexts.from_counts(counts, shifts)
                for shifts in itertools.combinations_with_replacement(_WINDOWS, 2)
            ),
            key=lambda contexts: sum(len(unary.encode(sample, contexts)) for sample in indices),
        )

    def ideal_bits(self, array: NDArray[Any]) -> float:
        """Bits under the training features' distribution of levels; adaptive payloads may be shorter."""
        indices = self.scalar_quantizer.indices(array.reshape(-1))
        return float(self.contexts.level_bits()[indices].sum())

    def _designed(self, values: TrainingValues) -> ScalarQuantizer:
        if values.low == values.high:
            return ScalarQuantizer(np.array([values.low], np.float32), np.empty(0, np.float32))
        slope = (0.0 if values.low >= 0 else 1.0) if self.slope is None else self.slope
        free_low = slope == 1 if self.low == "auto" else self.low == "free"
        low, high = RULES[self.clipping](values, self.levels, slope, free_low)
        if not low < high:  # such as a percentile of values that are nearly all zero
            low, high = values.low, values.high
        if self.quantizer == "uniform":
            return ScalarQuantizer.uniform(low, high, self.levels)
        pinned = self.quantizer == "ecq"
        price = self.lagrangian * values.variance
        return EntropyConstrained.design(values.draw, low, high, self.levels, price, pinned).quantizer

    def tables(self) -> dict[str, Any]:
        initial, shifts = self.contexts
        return {
            "quantizer": self.scalar_quantizer.to_dict(),
            "initial": initial.tolist(),
            "shifts": list(shifts),
        }

    def load_tables(self, tables: Mapping[str, Any]) -> None:
        quantizer = ScalarQuantizer.from_dict(tables["quantizer"])
        initial = [as_integer(p, "estimate", unary.LEAST, unary.MOST) for p in tables["initial"]]
        quick, slow = (as_integer(shift, "shift", 1, unary.NEVER) for shift in tables["shifts"])
        if len(initial) != quantizer.thresholds.size:
            raise ValueError(
                f"description has {len(initial)} estimates for {quantizer.levels.size} levels; it was "
                "damaged. Export it again."
            )
        self.scalar_quantizer = quantizer
        self.contexts = unary.Contexts(np.array(initial, dtype=np.int64), (quick, slow))

    def encode(self, array: NDArray[Any]) -> bytes:
        return unary.encode(self.scalar_quantizer.indices(array.reshape(-1)), self.contexts)

    def decode(self, payload: bytes) -> NDArray[Any]:
        return self.scalar_quantizer.levels[unary.decode(payload, self.form.n_values, self.contexts)]


class _EvenlySpread:
    """A few samples of a stream of unknown length, at even distances, whatever order it is in."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept: list[NDArray[np.float32]] = []

    def watch(self, samples: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Hand samples on."""
        distance = 1
        for position, sample in enumerate(samples):
            if position % distance == 0:
                if len(self.kept) == self.most:
                    self.kept, distance = self.kept[::2], 2 * distance
                if position % distance == 0:
                    self.kept.append(sample.copy())
            yield sample
