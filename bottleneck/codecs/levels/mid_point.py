"""Mid-point quantization over mean ± w·sigma, fitted on training data: no side information per sample.

::

    x ─► q = floor((x - low) N / (high - low)), clipped to 0 .. N-1 ─► low + (q + 0.5) (high - low) / N
         low, high = mean ∓ w·sigma  of the layer, of each channel, or of each neuron (c, y, x)

Source: Ulhaq, BASc thesis, SFU 2020.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_choice, as_integer, as_number
from bottleneck.codecs.stage import ArrayToArray, Form

Float64 = NDArray[np.float64]

#: Whose mean and deviation: of all elements, of each index of the first axis, of each element.
SCOPES = ("layer", "channel", "neuron")

_SMALLEST_SIGMA = 1e-6  # below, an element counts as constant
_LARGEST = float(np.finfo(np.float32).max)


class MidPoint(ArrayToArray):
    """Levels at the middle of N equal bins; a value outside the range counts to the nearest bin.

    Args:
        form: A feature.
        levels: N, 2 to 65,536. Larger: more rate, smaller error.
        per: One of `SCOPES`.
        sigmas: w, half the range in deviations, above 0. Larger: fewer values clipped, wider bins.

    Attributes:
        mean, sigma: Of what the scope says, broadcast against a sample; not before `fit`.
    """

    name = "mid-point"
    takes = ("feature",)
    needs_fit = True

    def __init__(self, form: Form, levels: int, per: str = "layer", sigmas: float = 3.0) -> None:
        super().__init__(form)
        self.gives = Form("levels", form.shape, as_integer(levels, "levels", 2, 65536))
        self.shape, self.sigmas = form.shape, as_number(sigmas, "sigmas", 1e-6, 1e6)
        self.scope = as_choice(per, "per", SCOPES)
        self.mean: Float64
        self.sigma: Float64

    def fit(self, arrays: Iterable[NDArray[Any]]) -> None:
        self.mean, self.sigma = pooled_moments(self.shape, self.scope, arrays)

    def tables(self) -> dict[str, Any]:
        return {"mean": self.mean.reshape(-1).tolist(), "sigma": self.sigma.reshape(-1).tolist()}

    def load_tables(self, tables: Mapping[str, Any]) -> None:
        kept = _kept_shape(self.shape, self.scope)
        mean, sigma = (np.array(tables[name], dtype=np.float64) for name in ("mean", "sigma"))
        for name, given in (("mean", mean), ("sigma", sigma)):
            if given.shape != (math.prod(kept),) or not np.isfinite(given).all() or (sigma < 0).any():
                raise ValueError(
                    f"table {name!r} of shape {given.shape} must be {math.prod(kept)} finite numbers, "
                    "sigma not negative. Pass what to_dict returned."
                )
        self.mean, self.sigma = mean.reshape(kept), sigma.reshape(kept)

    def take_part(self, whole: Self, places: NDArray[np.int64]) -> None:
        first = tuple(slice(size) for size in _kept_shape(self.shape, self.scope))
        chosen = places[first]  # one element of each mean
        self.mean, self.sigma = (
            np.broadcast_to(table, whole.shape).reshape(-1)[chosen] for table in (whole.mean, whole.sigma)
        )

    def forward(self, array: NDArray[Any]) -> tuple[bytes, NDArray[Any]]:
        low, step = self._bins()
        with np.errstate(divide="ignore", invalid="ignore"):
            bins = np.floor((array - low) / step)
        bins = np.where(step > 0, bins, 0).clip(0, self.gives.levels - 1)
        return b"", bins.astype(np.uint16)

    def backward(self, header: bytes, array: NDArray[Any] | None) -> NDArray[Any]:
        assert array is not None
        low, step = self._bins()
        values = low + (array + 0.5) * step
        return values.clip(-_LARGEST, _LARGEST).astype(np.float32)

    def _bins(self) -> tuple[Float64, Float64]:
        """Lower end of the range and width of a bin; a constant's width is 0 and its value the mean."""
        half = np.where(self.sigma < _SMALLEST_SIGMA, 0, self.sigmas * self.sigma)
        return self.mean - half, 2 * half / self.gives.levels


def pooled_moments(
    shape: tuple[int, ...], scope: str, samples: Iterable[NDArray[np.float32]]
) -> tuple[Float64, Float64]:
    """Mean and standard deviation over training samples, in one pass that keeps no sample.

    Args:
        shape: Shape of one sample.
        scope: One of `SCOPES`.
        samples: Samples, one at least, or batches of them.

    Returns:
        Both with the number of axes of `shape`; axes that were pooled have size 1.

    Source: Welford 1962, for batches Chan, Golub & LeVeque 1979.
    """
    count = 0
    mean, squares = np.zeros(shape), np.zeros(shape)
    for sample in samples:
        batch = sample if sample.ndim > len(shape) else sample[None]
        if not len(batch):
            continue
        batch_mean = batch.mean(axis=0, dtype=np.float64)
        squares += ((batch - batch_mean) ** 2).sum(axis=0)
        squares += (batch_mean - mean) ** 2 * (count * len(batch) / (count + len(batch)))
        count += len(batch)
        mean += (batch_mean - mean) * (len(batch) / count)
    if mean.size == 0:
        kept = _kept_shape(shape, scope)
        return np.zeros(kept), np.zeros(kept)
    axes = {"layer": tuple(range(len(shape))), "channel": tuple(range(1, len(shape))), "neuron": ()}[scope]
    pooled = mean.mean(axis=axes, keepdims=True)
    variance = (squares / count + (mean - pooled) ** 2).mean(axis=axes, keepdims=True)
    return pooled, np.sqrt(variance)


def _kept_shape(shape: tuple[int, ...], scope: str) -> tuple[int, ...]:
    """Shape of a table: axes that are pooled have size 1."""
    return {"layer": (1,) * len(shape), "channel": (*shape[:1], *(1,) * len(shape[1:])), "neuron": shape}[
        scope
    ]
