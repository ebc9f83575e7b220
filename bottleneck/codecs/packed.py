"""Packed: pixels in as few bits as their largest training value needs.

The embedded digits have 17 grey levels in a uint8; sending 8 bits for them would flatter every
compressor that it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs import bits
from bottleneck.codecs.base import Codec
from bottleneck.codecs.checks import as_integer


class Packed(Codec):
    """Sends each pixel as n bits, most significant bit first, the last byte zero-padded.

    `fit` sets n to the bits of the largest training value, at least 1.

    Args:
        shape: Shape of one sample.

    Attributes:
        bits: n, 1 to 8; None before `fit`.
    """

    name = "packed"
    input = "pixels"

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(shape)
        self.bits: int | None = None

    @property
    def fitted(self) -> bool:
        return self.bits is not None

    def fit(self, arrays: Iterable[ArrayLike]) -> Self:
        """Set n from the largest value of the training samples.

        Raises:
            ValueError: If there are no samples, or one has another shape or dtype.
        """
        largest = max(map(_largest, self._checked_samples(arrays)), default=None)
        if largest is None:
            raise ValueError(
                "no arrays to fit codec 'packed' on. Pass training pixels; a generator can be read once."
            )
        self.bits = max(1, largest.bit_length())
        return self

    def _tables(self) -> dict[str, Any]:
        return {"bits": self.bits}

    def _load_tables(self, tables: Mapping[str, Any]) -> None:
        self.bits = as_integer(tables["bits"], "bits", 1, 8)

    def _encode(self, array: NDArray[Any]) -> bytes:
        assert self.bits is not None
        largest = _largest(array)
        if largest >= 1 << self.bits:
            raise ValueError(
                f"pixel value {largest} does not fit the {self.bits} bits that codec 'packed' was fitted to. "
                "Fit on data with the same range, or use codec 'raw'."
            )
        return bits.pack(array.reshape(-1), self.bits)

    def _decode(self, payload: bytes) -> NDArray[Any]:
        assert self.bits is not None
        return bits.unpack(payload, self.bits, self.n_values).astype(np.uint8)


def _largest(array: NDArray[Any]) -> int:
    return int(array.max()) if array.size else 0
