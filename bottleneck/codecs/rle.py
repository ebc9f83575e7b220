"""Run-length coding of a cut tensor without any training: min-max quantization, then zero runs.

::

    feature ─► symbols 0 .. 2^n-1 ─► float32 min │ float32 max │ codewords of n+1 bits (see `runs`)
                             └─────► float32 max │ float32 min │ values of n bits, where that is shorter
                             └─────► float32 min │ float32 max   where all values are equal

Source: Carra & Neglia, GLOBECOM 2023, which leaves byte order, constant tensors and tensors without
runs open; both of the latter are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs import bits as bit_fields
from bottleneck.codecs.base import Codec
from bottleneck.codecs.budget import as_budget
from bottleneck.codecs.checks import as_integer
from bottleneck.codecs.minmax import MinMax, is_swapped, swapped
from bottleneck.codecs.quantizer import Symbols
from bottleneck.codecs.runs import Runs, unpack_codewords


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
        self._quantizer = MinMax(1 << self.bits)
        super().__init__(shape, bits=self.bits)

    def size(self, array: ArrayLike) -> int:
        """Length of `encode`'s payload in bytes, exactly, without encoding."""
        symbols = self._quantised(array)
        return MinMax.n_header + (0 if symbols is None else Runs(symbols, self.bits).n_bytes)

    def zero_fraction(self, array: ArrayLike) -> float:
        """Share of elements that are symbol 0 after quantization, in [0, 1]: what runs can save.

        0 for an empty sample, 1 for a constant one.
        """
        symbols = self._quantised(array)
        if symbols is None:
            return float(self.n_values > 0)
        return 1 - np.count_nonzero(symbols) / self.n_values

    def _quantised(self, array: ArrayLike) -> Symbols | None:
        return self._quantizer.quantise(self._checked(array).reshape(-1))[1]

    def _encode(self, array: NDArray[Any]) -> bytes:
        header, symbols = self._quantizer.quantise(array.reshape(-1))
        if symbols is None:
            return header
        runs = Runs(symbols, self.bits)
        if runs.is_packed:
            return swapped(header) + bit_fields.pack(symbols, self.bits)
        return header + runs.codewords()

    def _decode(self, payload: bytes) -> NDArray[Any]:
        header, body = payload[: MinMax.n_header], payload[MinMax.n_header :]
        symbols = None
        if not self._quantizer.has_symbols(header):
            bit_fields.check_padding(body, 0)
        elif is_swapped(header):
            symbols = bit_fields.unpack(body, self.bits, self.n_values).astype(np.uint16)
        else:
            symbols = unpack_codewords(body, self.bits, self.n_values)
        return self._quantizer.values(header, symbols, self.n_values)


class AdaptiveRunLength(Codec):
    """Run-length coding at the largest n whose payload keeps to a number of bytes, for each sample anew.

    A payload is one byte with n, then that of `RunLength`. `encode` raises `ValueError` where no n fits.

    Args:
        shape: Shape of one sample.
        max_bytes: The limit; None for none.
    """

    name = "rle-adaptive"
    input = "feature"

    def __init__(self, shape: Sequence[int], max_bytes: int | None = None) -> None:
        self.max_bytes = as_budget(max_bytes)
        super().__init__(shape, max_bytes=self.max_bytes)

    def _encode(self, array: NDArray[Any]) -> bytes:
        sizes = []
        for bits in range(16, 0, -1):  # not bisected: where zeros abound, more bits may take fewer bytes
            codec = RunLength(self.shape, bits)
            sizes.append(1 + codec.size(array))
            if self.max_bytes is None or sizes[-1] <= self.max_bytes:
                return bytes([bits]) + codec._encode(array)
        raise ValueError(
            f"max_bytes={self.max_bytes} is too little: the smallest payload has {min(sizes)} bytes. "
            "Allow more."
        )

    def _decode(self, payload: bytes) -> NDArray[Any]:
        if not payload or not 1 <= payload[0] <= 16:
            raise ValueError(
                f"payload {payload[:1]!r}… does not start with a number of bits from 1 to 16; it was damaged."
            )
        return RunLength(self.shape, payload[0])._decode(payload[1:])
