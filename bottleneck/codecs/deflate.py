"""Deflate: the general-purpose baseline, a zlib stream of the bytes of another codec."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from bottleneck.codecs.checks import as_integer
from bottleneck.codecs.compressed import Compressed


class Deflate(Compressed):
    """Compresses with zlib (RFC 1950): raw values unless another codec is named.

    The bytes of a payload depend on the zlib build; what they decode to does not.

    Args:
        shape: Shape of one sample.
        of: See `Compressed`.
        level: 0 (stored) to 9 (smallest, slowest).
        options: See `Compressed`.
    """

    name = "deflate"

    def __init__(self, shape: Sequence[int], of: str = "raw", level: int = 6, **options: Any) -> None:
        super().__init__(shape, of, as_integer(level, "level", 0, 9), options)

    def _compress(self, data: bytes) -> bytes:
        return zlib.compress(data, self.level)

    def _decompress(self, payload: bytes, longest: int) -> bytes:
        stream = zlib.decompressobj()
        try:
            # One byte more than the longest is enough to notice a stream that is too long, and a few
            # bytes of payload can then never fill the memory.
            data = stream.decompress(payload, longest + 1)
        except zlib.error as error:
            raise ValueError(
                f"payload is not a zlib stream ({error}); it was damaged or is no deflate payload."
            ) from error
        if len(data) > longest:
            raise ValueError(
                f"payload inflates to more than the {longest} bytes of shape {self.shape}; "
                "it was made for another shape."
            )
        if not stream.eof or stream.unused_data:
            problem = f"{len(stream.unused_data)} bytes after its end" if stream.eof else "no end"
            raise ValueError(
                f"zlib stream of {len(payload)} bytes has {problem}; it was truncated or extended."
            )
        return data
