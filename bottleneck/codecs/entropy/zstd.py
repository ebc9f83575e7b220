"""Zstd: the modern general-purpose baseline, a Zstandard frame (RFC 8878) of whatever bytes come."""

from __future__ import annotations

from bottleneck.codecs.checks import as_integer
from bottleneck.codecs.libraries import require
from bottleneck.codecs.stage import BytesToBytes, Form

_LARGEST_WINDOW = 1 << 23  # what the format recommends every reader to allow


class Zstd(BytesToBytes):
    """Compresses with Zstandard, without content size and checksum.

    The bytes depend on the library's version; what they decode to does not.

    Args:
        form: Bytes at most.
        level: 1 to 19 (smallest, slowest).
    """

    name = "zstd"

    def __init__(self, form: Form, level: int = 3) -> None:
        require("zstandard", "zstandard", self.name)
        super().__init__(form)
        self.level = as_integer(level, "level", 1, 19)

    def compress(self, data: bytes) -> bytes:
        import zstandard

        return zstandard.ZstdCompressor(level=self.level, write_content_size=False).compress(data)

    def decompress(self, payload: bytes) -> bytes:
        import zstandard

        longest = self.form.n_values
        reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        try:
            if zstandard.frame_content_size(payload) >= 0:  # would be believed, and so much memory be taken
                raise ValueError("payload says how large its content is, which this codec never does.")
            if _frame_bytes(payload, zstandard.frame_header_size(payload)) != len(payload):
                raise ValueError(
                    f"payload of {len(payload)} bytes is not one Zstandard frame; it was truncated or "
                    "extended."
                )
            data: bytes = reader.decompress(payload, max_output_size=longest + 1)
            return data
        except zstandard.ZstdError as error:
            raise ValueError(
                f"payload is not one Zstandard frame of at most {longest} bytes ({error}); it was damaged, "
                "truncated, extended, or made for another shape."
            ) from error


def _frame_bytes(payload: bytes, at: int) -> int:
    """Where a frame ends whose blocks begin at a byte; the library itself overlooks what comes after."""
    while at < len(payload):
        header = int.from_bytes(payload[at : at + 3], "little")  # is it the last, 2 bits of type, 21 of size
        is_repeated_byte = header >> 1 & 3 == 1
        at += 3 + (1 if is_repeated_byte else header >> 3)
        if header & 1:
            break
    return at
