"""Affine: one byte per element, between the sample's own ends; zero stays zero.

    header: float32 scale, uint8 zero point        value = scale · (byte − zero point)

Source: the 8-bit payload of Matsubara and Levorato's public release (arXiv:2007.15818), with
scale = (max − min) / 255 and zero point = round(−min / scale), clamped to a byte.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.base import Codec

_HEADER = struct.Struct("<fB")
_TOP = 255


class Affine(Codec):
    """Sends a feature in 8 bits per element. Lossy: `decode` returns the quantised values.

    Where zero lies outside the sample's range, the range is widened to it, so that the zero point is a byte.

    Args:
        shape: Shape of one sample.
    """

    name = "affine"
    input = "feature"

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(shape)

    def _encode(self, array: NDArray[Any]) -> bytes:
        values = array.astype(np.float64)
        low, high = min(values.min(initial=0.0), 0.0), max(values.max(initial=0.0), 0.0)
        scale = float(np.float32((high - low) / _TOP)) or 1.0  # all zeros, or too small for a float32
        if not math.isfinite(scale):
            raise ValueError(
                f"codec 'affine': the range {low} to {high} is too wide. Scale the feature down."
            )
        zero = min(max(round(-low / scale), 0), _TOP)
        levels = np.clip(np.rint(values / scale) + zero, 0, _TOP).astype(np.uint8)
        return _HEADER.pack(scale, zero) + levels.tobytes()

    def _decode(self, payload: bytes) -> NDArray[Any]:
        if len(payload) != _HEADER.size + self.n_values:
            raise ValueError(
                f"payload has {len(payload)} bytes where shape {self.shape} takes "
                f"{_HEADER.size + self.n_values}; it was truncated, extended, or made for another shape."
            )
        scale, zero = _HEADER.unpack(payload[: _HEADER.size])
        if not 0 < scale < math.inf:
            raise ValueError(f"payload has scale {scale}, which is not positive and finite; it was damaged.")
        levels = np.frombuffer(payload, np.uint8, offset=_HEADER.size).astype(np.float64)
        values = (levels - zero) * scale
        if values.size and np.abs(values).max() > np.finfo(np.float32).max:
            raise ValueError(f"payload has scale {scale}, by which values overflow; it was damaged.")
        return values.astype(np.float32)
