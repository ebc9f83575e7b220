"""HEVC intra: one key frame of an H.265 stream, through PyAV: HEIC's picture without its file."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_budget, as_integer
from bottleneck.codecs.libraries import require
from bottleneck.codecs.pictures.files.picture import Picture, best_within
from bottleneck.codecs.stage import Form

_SMALLEST_SIDE, _SMALLEST_BLOCK = 16, 8
_START_CODE = b"\0\0\0\1"


class Hevc(Picture):
    """HEVC intra through FFmpeg and x265: parameter sets and one slice, nothing else.

    Sides are extended by their last pixels to multiples of 8, at least 16, and cut again on decoding.
    Colour is sent with halved chroma. A stream has no end mark, so that half of one would pass for a
    picture: its first start code, which is always the same, gives way to the length of what follows.

    Args:
        form: Pixels of shape ``(1, H, W)`` or ``(3, H, W)``.
        qp: Quantization parameter, 0 to 51. Larger: less rate, worse picture.
        max_bytes: If given, each image is written at the smallest `qp`, from the given one up, whose
            payload keeps to it; `encode` raises `ValueError` where none does.
    """

    name = "hevc"

    def __init__(self, form: Form, qp: int = 32, max_bytes: int | None = None) -> None:
        self.qp = as_integer(qp, "qp", 0, 51)
        self.max_bytes = as_budget(max_bytes)
        super().__init__(form)

    def _require_library(self) -> None:
        require("av", "av", self.name)

    def _write(self, picture: NDArray[np.uint8]) -> bytes:
        height, width = picture.shape[:2]
        added = [(0, _padded(height) - height), (0, _padded(width) - width)] + [(0, 0)] * (picture.ndim - 2)
        padded = np.pad(picture, added, mode="edge")
        qualities = range(51, self.qp - 1, -1)
        return best_within(self.max_bytes, qualities, lambda qp: _with_length(_key_frame(padded, qp)))

    def _read(self, payload: bytes) -> NDArray[np.uint8]:
        import av

        length, stream = payload[:4], payload[4:]
        if int.from_bytes(length, "big") != len(stream):
            raise ValueError(f"the stream has {len(stream)} bytes and not those that it should have")
        height, width = self.shape[1:]
        decoder = av.CodecContext.create("hevc", "r")
        decoder.thread_count = 1
        # FFmpeg counts pixels after rounding its lines up to 64 and more bytes.
        most = (height + 128) * (width + 128)
        decoder.options = {"max_pixels": str(most), "err_detect": "explode"}
        frames = [*decoder.decode(av.Packet(_START_CODE + stream)), *decoder.decode(None)]
        if len(frames) != 1:
            raise ValueError(f"the stream has {len(frames)} pictures")
        frame = frames[0]
        expected = (_padded(height), _padded(width), "gray" if self.shape[0] == 1 else "yuv420p")
        if (frame.height, frame.width, frame.format.name) != expected:
            raise ValueError(f"the picture is {frame.height}×{frame.width} in {frame.format.name}")
        picture = frame.to_ndarray(format="gray" if self.shape[0] == 1 else "rgb24")
        return np.ascontiguousarray(picture[:height, :width])


def _padded(side: int) -> int:
    return max(_SMALLEST_SIDE, -(-side // _SMALLEST_BLOCK) * _SMALLEST_BLOCK)


def _key_frame(picture: NDArray[np.uint8], qp: int) -> bytes:
    import av

    frame = av.VideoFrame.from_ndarray(picture, format="gray" if picture.ndim == 2 else "rgb24")
    if picture.ndim == 3:
        frame = frame.reformat(format="yuv420p")
    frame.pts = 0
    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.time_base, encoder.framerate = Fraction(1), Fraction(1)
    options = {"qp": qp, "ipratio": 1, "keyint": 1, "repeat-headers": 1, "info": 0, "log-level": "none"}
    options |= {"pools": "none", "frame-threads": 1}  # one thread
    encoder.options = {"x265-params": ":".join(f"{key}={value}" for key, value in options.items())}
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def _with_length(stream: bytes) -> bytes:
    assert stream.startswith(_START_CODE), stream[:4]
    return (len(stream) - len(_START_CODE)).to_bytes(4, "big") + stream[len(_START_CODE) :]
