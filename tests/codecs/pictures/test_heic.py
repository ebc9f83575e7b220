"""HEIC: a real file of pillow-heif's format, and what it costs."""

import io

import numpy as np
import pytest

from bottleneck import codecs

pillow_heif = pytest.importorskip("pillow_heif", reason="extra `codecs` is not installed")


@pytest.mark.parametrize("shape", [(1, 24, 40), (3, 24, 40)])
def test_payload_is_an_heic_file(shape):
    """The library opens a payload as it is, and sees the pixels that `decode` returns."""
    codec = codecs.create("heic", shape)
    payload = codec.encode(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))
    image = np.asarray(pillow_heif.open_heif(io.BytesIO(payload)))
    assert np.array_equal(codec.decode(payload), image.reshape(24, 40, -1).transpose(2, 0, 1))
    assert payload[4:8] == b"ftyp"


def test_larger_quality_is_closer_and_longer():
    """Quality buys fidelity with bytes."""
    y, x = np.mgrid[:64, :64]
    pixels = (128 + 60 * np.sin(x / 5) + 50 * np.cos(y / 4)).astype(np.uint8)[None]
    made = [codecs.create("heic", (1, 64, 64), quality=quality) for quality in (5, 40, 90)]
    sizes = [len(codec.encode(pixels)) for codec in made]
    errors = [np.abs(codec.decode(codec.encode(pixels)).astype(int) - pixels).mean() for codec in made]
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
