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

from bottleneck.codecs.jit import jit
from bottleneck.codecs.quantizer import Quantizer, Symbols

_PREFIX = struct.Struct("<ff")
_SMALLEST_RANGE = float(np.finfo(np.float32).tiny)  # a range below the normal numbers counts as none


class MinMax(Quantizer):
    """Levels from a sample's minimum to its maximum, the nearest one for each value.

    ``q = floor((x - min) / (max - min) * (N - 1) + 0.5)``, and back ``min + q (max - min) / (N - 1)``: at
    most half a step away, and at most one float32 rounding more.
    """

    n_header = _PREFIX.size

    def quantise(self, values: NDArray[np.float32]) -> tuple[bytes, Symbols | None]:
        if values.size == 0:
            return bytes(self.n_header), None
        low, high = float(values.min()) + 0.0, float(values.max()) + 0.0  # + 0.0: never minus zero
        header = _PREFIX.pack(low, high)
        if high - low < _SMALLEST_RANGE:
            return header, None
        symbols = np.empty(values.size, dtype=np.uint16)
        _quantise(values, low, high - low, float(self.levels - 1), symbols)
        return header, symbols

    def has_symbols(self, header: bytes) -> bool:
        low, high = _ends(header)
        return high - low >= _SMALLEST_RANGE

    def values(self, header: bytes, symbols: Symbols | None, count: int) -> NDArray[np.float32]:
        low, high = _ends(header)
        if symbols is None:
            return np.full(count, low, dtype=np.float32)
        # In float64 and rounded once: the nearest float32, and no overflow for any finite range.
        levels = np.arange(self.levels) * (high - low) / (self.levels - 1) + low
        values = np.empty(count, dtype=np.float32)
        _look_up(np.minimum(levels, high).astype(np.float32), symbols, values)
        return values


def is_swapped(header: bytes) -> bool:
    """Whether a header gives the maximum first; `MinMax` reads it all the same, and writes none."""
    first, second = _PREFIX.unpack(header)
    return first > second


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
def _quantise(values: NDArray[Any], low: float, span: float, top: float, symbols: Symbols) -> None:
    for i in range(len(values)):
        symbols[i] = int((values[i] - low) / span * top + 0.5)  # not negative, so int() is the floor


@jit
def _look_up(levels: NDArray[Any], symbols: Symbols, values: NDArray[Any]) -> None:
    for i in range(len(symbols)):
        values[i] = levels[symbols[i]]
