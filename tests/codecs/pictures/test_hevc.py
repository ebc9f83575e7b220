"""HEVC intra: one slice, whose length stands in for its first start code."""

import numpy as np
import pytest

from bottleneck import codecs

av = pytest.importorskip("av", reason="extra `codecs` is not installed")

START = b"\0\0\0\1"


def waves(shape):
    c, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return (128 + 60 * np.sin(x / 5 + c) + 50 * np.cos(y / 4)).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 24, 40), (24, 40)), ((3, 9, 33), (16, 40)), ((1, 1, 1), (16, 16))]
)
def test_payload_is_a_stream_of_one_picture(shape, size):
    """With its start code put back, a payload is an elementary stream of one padded key frame."""
    payload = codecs.create("hevc", shape).encode(waves(shape))
    assert int.from_bytes(payload[:4], "big") == len(payload) - 4
    decoder = av.CodecContext.create("hevc", "r")
    frames = [*decoder.decode(av.Packet(START + payload[4:])), *decoder.decode(None)]
    assert [(frame.height, frame.width, frame.key_frame) for frame in frames] == [(*size, True)]


def test_stream_holds_nothing_but_parameters_and_the_slice():
    """No text about the encoder, no delimiters: VPS, SPS, PPS and an IDR slice."""
    payload = codecs.create("hevc", (1, 64, 64)).encode(waves((1, 64, 64)))
    kinds = [nal[0] >> 1 for nal in (START[1:] + payload[4:]).split(START[1:])[1:]]
    assert kinds[:3] == [32, 33, 34]
    assert len(kinds) == 4
    assert kinds[3] in (19, 20)


def test_smaller_qp_is_closer_and_longer():
    """The quantization parameter buys bytes with fidelity."""
    pixels = waves((1, 64, 64))
    made = [codecs.create("hevc", (1, 64, 64), qp=qp) for qp in (51, 30, 5)]
    sizes = [len(codec.encode(pixels)) for codec in made]
    errors = [np.abs(codec.decode(codec.encode(pixels)).astype(int) - pixels).mean() for codec in made]
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_stream_of_a_huge_picture_is_refused():
    """A small stream whose picture would take much memory is refused by the decoder's own limit."""
    bomb = codecs.create("hevc", (1, 2048, 2048), qp=51).encode(np.zeros((1, 2048, 2048), np.uint8))
    assert len(bomb) < 2000
    with pytest.raises(ValueError, match="is no hevc image"):
        codecs.create("hevc", (1, 8, 8)).decode(bomb)


def test_slightly_larger_picture_is_refused():
    """A picture within the memory limit but of another padded size is refused too."""
    with pytest.raises(ValueError, match="the picture is 24×24 in gray"):
        codecs.create("hevc", (1, 8, 8)).decode(codecs.create("hevc", (1, 24, 24)).encode(waves((1, 24, 24))))
