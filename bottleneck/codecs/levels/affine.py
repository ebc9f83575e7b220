"""Affine: 256 levels between the sample's own ends, of which one is zero.

    header: float32 scale, uint8 zero point        value = scale · (level − zero point)

Source: the 8-bit payload of Matsubara and Levorato's public release (arXiv:2007.15818), with
scale = (max − min) / 255 and zero point = round(−min / scale), clamped to a byte.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.stage import ArrayToArray, Form

_HEADER = struct.Struct("<fB")
_TOP = 255
_LARGEST = float(np.finfo(np.float32).max)


class Affine(ArrayToArray):
    """Quantises a feature to 8 bits per element; zeros stay exactly zero.

    Where zero lies outside the sample's range, the range is widened to it, so that the zero point is a byte.
    """

    name = "affine"
    takes = ("feature",)
    n_header = _HEADER.size

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        self.gives = Form("levels", form.shape, _TOP + 1)

    def forward(self, array: NDArray[Any]) -> tuple[bytes, NDArray[Any]]:
        values = array.astype(np.float64)
        low, high = min(values.min(initial=0.0), 0.0), max(values.max(initial=0.0), 0.0)
        scale = float(np.float32((high - low) / _TOP)) or 1.0  # all zeros, or too small for a float32
        zero = min(max(round(-low / scale), 0), _TOP)
        if max(zero, _TOP - zero) * scale > _LARGEST:
            raise ValueError(
                f"codec 'affine': the range {low} to {high} is too wide. Scale the feature down."
            )
        levels = np.clip(np.rint(values / scale) + zero, 0, _TOP).astype(np.uint8)
        return _HEADER.pack(scale, zero), levels

    def has_array(self, header: bytes) -> bool:
        if len(header) != _HEADER.size:
            raise ValueError(f"payload is shorter than its {_HEADER.size} bytes of scale; it was truncated.")
        scale = _HEADER.unpack(header)[0]
        if not 0 < scale < math.inf:
            raise ValueError(f"payload has scale {scale}, which is not positive and finite; it was damaged.")
        return True

    def backward(self, header: bytes, array: NDArray[Any] | None) -> NDArray[Any]:
        assert array is not None
        scale, zero = _HEADER.unpack(header)
        values: NDArray[Any] = (array.astype(np.float64) - zero) * scale
        if values.size and np.abs(values).max() > _LARGEST:
            raise ValueError(f"payload has scale {scale}, by which values overflow; it was damaged.")
        return values.astype(np.float32)
