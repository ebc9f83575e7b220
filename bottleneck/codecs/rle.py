"""Run-length coding of a cut tensor without any training: min-max quantization, then zero runs.

::

    feature ─► symbols 0 .. 2^n-1 ─► float32 min │ float32 max │ codewords of n+1 bits (see `runs`)
                             └─────► float32 max │ float32 min │ values of n bits, where that is shorter
                             └─────► float32 min │ float32 max   where all values are equal

Source: Carra & Neglia, GLOBECOM 2023, which leaves byte order, constant tensors and tensors without
runs open; both of the latter are ours.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs import bits as bit_fields
from bottleneck.codecs.base import Codec
from bottleneck.codecs.checks import as_integer
from bottleneck.codecs.jit import jit
from bottleneck.codecs.runs import Runs, unpack_codewords

_PREFIX = struct.Struct("<ff")
_SMALLEST_RANGE = float(np.finfo(np.float32).tiny)  # a range below the normal numbers counts as none


class RunLength(Codec):
    """Quantises a feature to n bits between its own minimum and maximum and codes runs of the minimum.

    Lossy once: `decode` returns the quantised values, at most ``(max - min) / (2 (2^n - 1))`` away
    from the input (and at most one float32 rounding more). Runs follow the C order of the sample.

    Args:
        shape: Shape of one sample.
        bits: n, 1 to 16. Larger: more rate, smaller error.
    """

    name = "rle"
    input = "feature"

    def __init__(self, shape: Sequence[int], bits: int = 4) -> None:
        self.bits = as_integer(bits, "bits", 1, 16)
        super().__init__(shape, bits=self.bits)

    def size(self, array: ArrayLike) -> int:
        """Length of `encode`'s payload in bytes, exactly, without encoding."""
        _, _, symbols = self._quantised(self._checked(array))
        return _PREFIX.size + (0 if symbols is None else Runs(symbols, self.bits).n_bytes)

    def zero_fraction(self, array: ArrayLike) -> float:
        """Share of elements that are symbol 0 after quantization, in [0, 1]: what runs can save.

        0 for an empty sample, 1 for a constant one.
        """
        _, _, symbols = self._quantised(self._checked(array))
        if symbols is None:
            return float(self.n_values > 0)
        return 1 - np.count_nonzero(symbols) / self.n_values

    def _encode(self, array: NDArray[Any]) -> bytes:
        low, high, symbols = self._quantised(array)
        if symbols is None:
            return _PREFIX.pack(low, high)
        runs = Runs(symbols, self.bits)
        if runs.is_packed:
            return _PREFIX.pack(high, low) + bit_fields.pack(symbols, self.bits)
        return _PREFIX.pack(low, high) + runs.codewords()

    def _decode(self, payload: bytes) -> NDArray[Any]:
        if len(payload) < _PREFIX.size:
            raise ValueError(
                f"payload of {len(payload)} bytes is shorter than its {_PREFIX.size} bytes of min and max; "
                "it was truncated."
            )
        first, second = _PREFIX.unpack_from(payload)
        if not (math.isfinite(first) and math.isfinite(second)):
            raise ValueError(
                f"payload has min and max {first}, {second}, which are not finite; it was damaged."
            )
        low, high = min(first, second), max(first, second)
        body = payload[_PREFIX.size :]
        if self.n_values == 0 or high - low < _SMALLEST_RANGE:
            bit_fields.check_padding(body, 0)
            return np.full(self.n_values, low, dtype=np.float32)
        if first > second:
            symbols = bit_fields.unpack(body, self.bits, self.n_values).astype(np.uint16)
        else:
            symbols = unpack_codewords(body, self.bits, self.n_values)
        # In float64 and rounded once: the nearest float32, and no overflow for any finite range.
        levels = np.arange(1 << self.bits) * (high - low) / ((1 << self.bits) - 1) + low
        values = np.empty(self.n_values, dtype=np.float32)
        _look_up(np.minimum(levels, high).astype(np.float32), symbols, values)
        return values

    def _quantised(self, array: NDArray[Any]) -> tuple[float, float, NDArray[np.uint16] | None]:
        """Minimum, maximum and symbols, shape ``(n_values,)``; no symbols where the range is none."""
        flat = array.reshape(-1)
        if flat.size == 0:
            return 0.0, 0.0, None
        low, high = float(flat.min()) + 0.0, float(flat.max()) + 0.0  # + 0.0: never minus zero
        if high - low < _SMALLEST_RANGE:
            return low, high, None
        symbols = np.empty(flat.size, dtype=np.uint16)
        _quantise(flat, low, high - low, float((1 << self.bits) - 1), symbols)
        return low, high, symbols


@jit
def _quantise(values: NDArray[Any], low: float, span: float, top: float, symbols: NDArray[np.uint16]) -> None:
    for i in range(len(values)):
        symbols[i] = int((values[i] - low) / span * top + 0.5)  # not negative, so int() is the floor


@jit
def _look_up(levels: NDArray[Any], symbols: NDArray[np.uint16], values: NDArray[Any]) -> None:
    for i in range(len(symbols)):
        values[i] = levels[symbols[i]]
