"""Plain layouts, without entropy coding: whole bytes, and as few bits as the number of levels needs.

::

    array ─► Bytes ─► its elements as they lie in memory, little-endian
    array ─► Pack  ─► log2 N bits per element, most significant bit first (see `groups`)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_integer, check_values
from bottleneck.codecs.entropy.bitstreams.groups import n_bytes, pack_groups, unpack_groups
from bottleneck.codecs.stage import ArrayToBytes, Form, bytes_form


class Bytes(ArrayToBytes):
    """Sends elements in C order and little-endian: 4 bytes of a feature, 1 of a pixel, 1 or 2 of a level."""

    name = "bytes"
    takes = ("feature", "pixels", "symbols", "levels")

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        dtype = np.dtype(np.uint8) if form.kind == "levels" and form.levels <= 256 else form.dtype
        self._dtype = dtype.newbyteorder("<")
        self.gives = bytes_form(form.n_values * dtype.itemsize)

    def encode(self, array: NDArray[Any]) -> bytes:
        return array.astype(self._dtype, copy=False).tobytes()

    def decode(self, payload: bytes) -> NDArray[Any]:
        if len(payload) != self.gives.n_values:
            raise ValueError(
                f"payload holds {len(payload)} bytes of values where shape {self.form.shape} takes "
                f"{self.gives.n_values}; it was truncated, extended, or made for another shape."
            )
        array = np.frombuffer(payload, self._dtype)
        if self.form.kind == "levels" and self._dtype.itemsize == 1:
            return array  # checked as it is, which is faster, and widened then
        if self.form.kind == "feature":
            check_values(array, "feature", self.name)
        return array.astype(self.form.dtype)


class Pack(ArrayToBytes):
    """Sends levels, or pixels whose number of levels is fitted, in hardly more than log2 N bits each.

    For pixels N is ``2**bits``, with the bits of the largest training value, at least 1.

    Attributes:
        n_levels: N; for pixels 256 before `fit`.
    """

    name = "pack"
    takes = ("pixels", "levels")

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        self.needs_fit = form.kind == "pixels"
        self.n_levels = form.levels or 256
        self.gives = bytes_form(n_bytes(form.n_values, self.n_levels))

    def fit(self, arrays: Iterable[NDArray[Any]]) -> None:
        largest = max(int(array.max(initial=0)) for array in arrays)
        self.n_levels = 1 << max(1, largest.bit_length())

    def tables(self) -> dict[str, Any]:
        return {"bits": self.n_levels.bit_length() - 1} if self.needs_fit else {}

    def load_tables(self, tables: Mapping[str, Any]) -> None:
        if self.needs_fit:
            self.n_levels = 1 << as_integer(tables["bits"], "bits", 1, 8)

    def encode(self, array: NDArray[Any]) -> bytes:
        if self.needs_fit and (largest := int(array.max(initial=0))) >= self.n_levels:
            raise ValueError(
                f"pixel value {largest} does not fit the {self.n_levels.bit_length() - 1} bits that stage "
                "'pack' was fitted to. Fit on data with the same range, or use codec 'raw'."
            )
        return pack_groups(array.reshape(-1), self.n_levels)

    def decode(self, payload: bytes) -> NDArray[Any]:
        return unpack_groups(payload, self.n_levels, self.form.n_values)
