"""Raw: the array's own bytes, what a split network sends when nobody compresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from bottleneck.codecs.base import Codec
from bottleneck.codecs.checks import DTYPES, Input, as_choice


class Raw(Codec):
    """Sends an array as it lies in memory: C order, little-endian, no header.

    Args:
        shape: Shape of one sample.
        input: ``feature`` (4 bytes per element) or ``pixels`` (1 byte per element).
    """

    name = "raw"

    def __init__(self, shape: Sequence[int], input: Input = "feature") -> None:
        self.input = as_choice(input, "input", ("feature", "pixels"))
        super().__init__(shape, input=self.input)

    @property
    def longest(self) -> int:
        """Bytes of every payload."""
        return self.n_values * DTYPES[self.input].itemsize

    def _encode(self, array: NDArray[Any]) -> bytes:
        return self._to_raw(array)

    def _decode(self, payload: bytes) -> NDArray[Any]:
        return self._from_raw(payload)
