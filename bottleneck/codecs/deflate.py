"""Deflate: the general-purpose baseline, a zlib stream of the array's own bytes."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from bottleneck.codecs.base import Codec
from bottleneck.codecs.checks import DTYPES, Input, as_choice, as_integer


class Deflate(Codec):
    """Compresses the array's little-endian bytes with zlib (RFC 1950).

    The bytes of a payload depend on the zlib build; what they decode to does not.

    Args:
        shape: Shape of one sample.
        input: ``feature`` (float32) or ``pixels`` (uint8).
        level: 0 (stored) to 9 (smallest, slowest).
    """

    name = "deflate"

    def __init__(self, shape: Sequence[int], input: Input = "feature", level: int = 6) -> None:
        self.input = as_choice(input, "input", ("feature", "pixels"))
        self.level = as_integer(level, "level", 0, 9)
        super().__init__(shape, input=self.input, level=self.level)

    def _encode(self, array: NDArray[Any]) -> bytes:
        return zlib.compress(self._to_raw(array), self.level)

    def _decode(self, payload: bytes) -> NDArray[Any]:
        expected = self.n_values * DTYPES[self.input].itemsize
        stream = zlib.decompressobj()
        try:
            # One byte more than expected is enough to notice a stream that is too long, and a few
            # bytes of payload can then never fill the memory.
            data = stream.decompress(payload, expected + 1)
        except zlib.error as error:
            raise ValueError(
                f"payload is not a zlib stream ({error}); it was damaged or is no deflate payload."
            ) from error
        if len(data) > expected:
            raise ValueError(
                f"payload inflates to more than the {expected} bytes of shape {self.shape}; "
                "it was made for another shape."
            )
        if not stream.eof or stream.unused_data:
            problem = f"{len(stream.unused_data)} bytes after its end" if stream.eof else "no end"
            raise ValueError(
                f"zlib stream of {len(payload)} bytes has {problem}; it was truncated or extended."
            )
        return self._from_raw(data)
