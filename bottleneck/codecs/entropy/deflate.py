"""Deflate: the general-purpose baseline, a zlib stream (RFC 1950) of whatever bytes come."""

from __future__ import annotations

import zlib

from bottleneck.codecs.checks import as_integer
from bottleneck.codecs.stage import BytesToBytes, Form


class Deflate(BytesToBytes):
    """Compresses with zlib. The bytes depend on the zlib build; what they decode to does not.

    Args:
        form: Bytes at most.
        level: 0 (stored) to 9 (smallest, slowest).
    """

    name = "deflate"

    def __init__(self, form: Form, level: int = 6) -> None:
        super().__init__(form)
        self.level = as_integer(level, "level", 0, 9)

    def compress(self, data: bytes) -> bytes:
        return zlib.compress(data, self.level)

    def decompress(self, payload: bytes) -> bytes:
        longest = self.form.n_values
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
                f"payload inflates to more than the {longest} bytes of this shape; it was made for another."
            )
        if not stream.eof or stream.unused_data:
            problem = f"{len(stream.unused_data)} bytes after its end" if stream.eof else "no end"
            raise ValueError(
                f"zlib stream of {len(payload)} bytes has {problem}; it was truncated or extended."
            )
        return data
