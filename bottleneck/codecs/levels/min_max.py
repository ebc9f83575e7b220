"""Min-max quantization: a sample's own range in equal steps, with both ends exact.

::

    feature ─► float32 min │ float32 max  +  symbols 0 .. N-1  ─► feature'
               a header of 8 bytes          none where all values are equal

Source: Carra & Neglia, GLOBECOM 2023, for N = 2^n; constant samples are ours.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_integer
from bottleneck.codecs.jit import jit
from bottleneck.codecs.stage import ArrayToArray, Form

Levels = NDArray[np.uint16]

_PREFIX = struct.Struct("<ff")
_SMALLEST_RANGE = float(np.finfo(np.float32).tiny)  # a range below the normal numbers counts as none


class MinMax(ArrayToArray):
    """Levels from a sample's minimum to its maximum, the nearest one for each value.

    ``q = floor((x - min) / (max - min) * (N - 1) + 0.5)``, and back ``min + q (max - min) / (N - 1)``: at
    most half a step away, and at most one float32 rounding more.

    Args:
        form: A feature.
        levels: N, 2 to 65,536. Larger: more rate, smaller error.
    """

    name = "min-max"
    takes = ("feature",)
    n_header = _PREFIX.size

    def __init__(self, form: Form, levels: int) -> None:
        super().__init__(form)
        self.gives = Form("levels", form.shape, as_integer(levels, "levels", 2, 65536))

    def forward(self, array: NDArray[Any]) -> tuple[bytes, Levels | None]:
        if array.size == 0:
            return bytes(self.n_header), None
        low, high = float(array.min()) + 0.0, float(array.max()) + 0.0  # + 0.0: never minus zero
        header = _PREFIX.pack(low, high)
        if high - low < _SMALLEST_RANGE:
            return header, None
        symbols = np.empty(array.size, dtype=np.uint16)
        _quantise(array.reshape(-1), low, high - low, float(self.gives.levels - 1), symbols)
        return header, symbols.reshape(array.shape)

    def has_array(self, header: bytes) -> bool:
        low, high = _ends(header)
        return bool(high - low >= _SMALLEST_RANGE)

    def backward(self, header: bytes, array: Levels | None) -> NDArray[Any]:
        low, high = _ends(header)
        values = np.full(self.form.n_values, low, dtype=np.float32)
        if array is not None:
            # In float64 and rounded once: the nearest float32, and no overflow for any finite range.
            levels = np.arange(self.gives.levels) * (high - low) / (self.gives.levels - 1) + low
            _look_up(np.minimum(levels, high).astype(np.float32), array.reshape(-1), values)
        return values.reshape(self.form.shape)


def is_swapped(header: bytes) -> bool:
    """Whether a header gives the maximum first; `MinMax` reads it all the same, and writes none."""
    first, second = _PREFIX.unpack(header)
    return bool(first > second)


def swapped(header: bytes) -> bytes:
    """A header with its ends exchanged, by which a codec tells a second way of coding the symbols."""
    return header[4:] + header[:4]


def _ends(header: bytes) -> tuple[float, float]:
    if len(header) < _PREFIX.size:
        raise ValueError(
            f"payload of {len(header)} bytes is shorter than its {_PREFIX.size} bytes of min and max; "
            "it was truncated."
        )
    first, second = _PREFIX.unpack(header)
    if not (math.isfinite(first) and math.isfinite(second)):
        raise ValueError(f"payload has min and max {first}, {second}, which are not finite; it was damaged.")
    return min(first, second), max(first, second)


@jit
def _quantise(values: NDArray[Any], low: float, span: float, top: float, symbols: Levels) -> None:
    for i in range(len(values)):
        symbols[i] = int((values[i] - low) / span * top + 0.5)  # not negative, so int() is the floor


@jit
def _look_up(levels: NDArray[Any], symbols: Levels, values: NDArray[Any]) -> None:
    for i in range(len(symbols)):
        values[i] = levels[symbols[i]]
