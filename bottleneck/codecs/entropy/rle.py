"""Run-length coding of a cut tensor without any training: min-max quantization, then zero runs.

::

    feature ─► symbols 0 .. 2^n-1 ─► float32 min │ float32 max │ codewords of n+1 bits (see `runs`)
                             └─────► float32 max │ float32 min │ values of n bits, where that is shorter
                             └─────► float32 min │ float32 max   where all values are equal

Source: Carra & Neglia, GLOBECOM 2023, which leaves byte order, constant tensors and tensors without
runs open; both of the latter are ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_budget, as_integer
from bottleneck.codecs.entropy.bitstreams import bits as bit_fields
from bottleneck.codecs.entropy.bitstreams.runs import Runs, unpack_codewords
from bottleneck.codecs.levels.min_max import MinMax, is_swapped, swapped
from bottleneck.codecs.stage import ArrayToBytes, Form, bytes_form


class RunLength(ArrayToBytes):
    """Quantises a feature to n bits between its own minimum and maximum and codes runs of the minimum.

    Lossy once: `decode` returns the quantised values, at most ``(max - min) / (2 (2^n - 1))`` away
    from the input (and at most one float32 rounding more). Runs follow the C order of the sample.

    Args:
        form: A feature.
        bits: n, 1 to 16. Larger: more rate, smaller error.
    """

    name = "rle"
    takes = ("feature",)

    def __init__(self, form: Form, bits: int = 4) -> None:
        super().__init__(form)
        self.bits = as_integer(bits, "bits", 1, 16)
        self._quantizer = MinMax(form, 1 << self.bits)
        self.gives = bytes_form(MinMax.n_header + bit_fields.n_bytes(form.n_values * self.bits))

    def size(self, array: NDArray[Any]) -> int:
        """Length of `encode`'s payload in bytes, exactly, without encoding."""
        symbols = self._quantizer.forward(array)[1]
        return MinMax.n_header + (0 if symbols is None else Runs(symbols.reshape(-1), self.bits).n_bytes)

    def zero_fraction(self, array: NDArray[Any]) -> float:
        """Share of elements that are symbol 0 after quantization, in [0, 1]: what runs can save.

        0 for an empty sample, 1 for a constant one.
        """
        symbols = self._quantizer.forward(array)[1]
        if symbols is None:
            return float(array.size > 0)
        return 1 - np.count_nonzero(symbols) / array.size

    def encode(self, array: NDArray[Any]) -> bytes:
        header, symbols = self._quantizer.forward(array)
        if symbols is None:
            return header
        symbols = symbols.reshape(-1)
        runs = Runs(symbols, self.bits)
        if runs.is_packed:
            return swapped(header) + bit_fields.pack(symbols, self.bits)
        return header + runs.codewords()

    def decode(self, payload: bytes) -> NDArray[Any]:
        header, body = payload[: MinMax.n_header], payload[MinMax.n_header :]
        symbols = None
        if not self._quantizer.has_array(header):
            bit_fields.check_padding(body, 0)
        elif is_swapped(header):
            symbols = bit_fields.unpack(body, self.bits, self.form.n_values).astype(np.uint16)
        else:
            symbols = unpack_codewords(body, self.bits, self.form.n_values)
        return self._quantizer.backward(header, symbols)


class AdaptiveRunLength(ArrayToBytes):
    """Run-length coding at the largest n whose payload keeps to a number of bytes, for each sample anew.

    A payload is one byte with n, then that of `RunLength`. `encode` raises `ValueError` where no n fits.

    Args:
        form: A feature.
        max_bytes: The limit; None for none.
    """

    name = "rle-adaptive"
    takes = ("feature",)

    def __init__(self, form: Form, max_bytes: int | None = None) -> None:
        super().__init__(form)
        self.max_bytes = as_budget(max_bytes)
        self.gives = bytes_form(1 + RunLength(form, 16).gives.n_values)

    def encode(self, array: NDArray[Any]) -> bytes:
        sizes = []
        for bits in range(16, 0, -1):  # not bisected: where zeros abound, more bits may take fewer bytes
            codec = RunLength(self.form, bits)
            sizes.append(1 + codec.size(array))
            if self.max_bytes is None or sizes[-1] <= self.max_bytes:
                return bytes([bits]) + codec.encode(array)
        raise ValueError(
            f"max_bytes={self.max_bytes} is too little: the smallest payload has {min(sizes)} bytes. "
            "Allow more."
        )

    def decode(self, payload: bytes) -> NDArray[Any]:
        if not payload or not 1 <= payload[0] <= 16:
            raise ValueError(
                f"payload {payload[:1]!r}… does not start with a number of bits from 1 to 16; it was damaged."
            )
        return RunLength(self.form, payload[0]).decode(payload[1:])
