"""Zstd: a bounded Zstandard frame."""

import tracemalloc

import numpy as np
import pytest

from bottleneck import codecs

zstandard = pytest.importorskip("zstandard", reason="extra `codecs` is not installed")


@pytest.mark.parametrize("level", [1, 3, 19])
def test_payload_is_a_frame_of_the_raw_bytes(level):
    """Any reader of Zstandard finds the array's own bytes in it."""
    x = np.arange(100, dtype=np.float32)
    payload = codecs.create("zstd", (100,), level=level).encode(x)
    assert zstandard.ZstdDecompressor().decompressobj().decompress(payload) == x.tobytes()
    assert zstandard.frame_content_size(payload) == -1


def test_bombs_are_refused_in_little_memory():
    """A frame that inflates to far more than the shape, whether it says so or not, is refused."""
    codec = codecs.create("zstd", (10,))
    for says_so in (False, True):
        bomb = zstandard.ZstdCompressor(19, write_content_size=says_so).compress(bytes(30_000_000))
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=r"at most 40 bytes|how large its content is"):
                codec.decode(bomb)
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()


def test_huge_window_is_refused():
    """A frame that asks for more memory than any reader must have is refused."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = compressor.compress(bytes(40)) + compressor.flush()
    with pytest.raises(ValueError, match="not one Zstandard frame"):
        codecs.create("zstd", (10,)).decode(frame)


def test_truncated_extended_and_foreign_frames_are_refused():
    """Every prefix of a payload, anything after it, and bytes that are no frame are refused."""
    codec = codecs.create("zstd", (6,))
    payload = codec.encode(np.arange(6.0))
    for wrong in [
        *(payload[:end] for end in range(1, len(payload))),
        payload + b"ab",
        payload + payload,
        b"hello",
    ]:
        with pytest.raises(ValueError, match="not one Zstandard frame"):
            codec.decode(wrong)


@pytest.mark.parametrize("level", [0, 20, 3.0, True])
def test_level_is_1_to_19(level):
    """Another level is refused by value."""
    with pytest.raises(ValueError, match=r"level=.* is not an integer from 1 to 19"):
        codecs.create("zstd", (1,), level=level)
