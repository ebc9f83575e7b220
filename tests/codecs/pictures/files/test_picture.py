"""What image codecs share: pictures in and out, refusal of other images, the search for a quality."""

import numpy as np
import pytest

from bottleneck import codecs
from bottleneck.codecs.pictures.files.picture import best_within

NAMES = ["avif", "heic", "hevc", "jpeg", "jpeg2000", "png", "webp"]
BEST = {"jpeg2000": {"ratio": 1}, "hevc": {"qp": 0}, "png": {}}
SMALL = {"jpeg2000": {"ratio": 100}, "hevc": {"qp": 40}, "png": {}}
each_format = pytest.mark.parametrize("name", NAMES)
shapes = pytest.mark.parametrize("shape", [(1, 40, 24), (3, 40, 24), (1, 1, 1), (3, 5, 3), (1, 8, 8)])


def photograph(shape):
    """Smooth, different in each channel, a little noisy: what these formats are made for."""
    c, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    smooth = 128 + 60 * np.sin(x / 9 + c) + 50 * np.cos(y / 7 - c)
    return (smooth + np.random.default_rng(0).normal(0, 4, shape)).clip(0, 255).astype(np.uint8)


def best(name, shape):
    return codecs.create(name, shape, **BEST.get(name, {"quality": 100}))


@each_format
@shapes
def test_pixels_come_back_close_and_always_the_same(name, shape):
    """At its best quality each format returns nearly the pixels, in place, and the same ones every time."""
    codec, pixels = best(name, shape), photograph(shape)
    payload = codec.encode(pixels)
    decoded = codec.decode(payload)
    assert np.abs(decoded.astype(int) - pixels).mean() < (9 if shape[0] == 3 else 2.5)
    assert codec.encode(pixels) == payload
    assert np.array_equal(codec.decode(payload), decoded)


@each_format
def test_channels_rows_and_columns_keep_their_places(name):
    """Red stays red, top stays top, left stays left."""
    pixels = np.zeros((3, 32, 48), np.uint8)
    pixels[0, :16] = 250
    pixels[1, :, :24] = 200
    decoded = best(name, pixels.shape).decode(best(name, pixels.shape).encode(pixels)).astype(int)
    means = [
        decoded[c, rows, columns].mean()
        for c in range(3)
        for rows in (slice(2, 14), slice(18, 30))
        for columns in (slice(2, 22), slice(26, 46))
    ]
    assert np.abs(np.array(means) - [250, 250, 0, 0, 200, 0, 200, 0, 0, 0, 0, 0]).max() < 12


@each_format
def test_payload_of_another_quality_is_readable(name):
    """A file says itself how it was quantised: one codec reads what another quality wrote."""
    if name == "png":
        pytest.skip("PNG has no quality")
    shape = (3, 40, 24)
    payload = codecs.create(name, shape, **SMALL.get(name, {"quality": 5})).encode(photograph(shape))
    assert len(payload) < len(best(name, shape).encode(photograph(shape)))
    assert best(name, shape).decode(payload).shape == shape


@each_format
@pytest.mark.parametrize(
    ("shape", "other"), [((1, 40, 24), (1, 24, 40)), ((1, 8, 8), (3, 8, 8)), ((3, 8, 8), (1, 8, 8))]
)
def test_image_of_another_form_is_refused(name, shape, other):
    """A sound image of another size, or with other channels, is refused."""
    if name in ("avif", "webp") and shape[0] != other[0]:
        pytest.skip("may read grey as three channels, by format or by version")
    with pytest.raises(ValueError, match=rf"is no {name} image of shape"):
        best(name, shape).decode(best(name, other).encode(photograph(other)))


@each_format
def test_every_truncation_and_addition_is_refused(name):
    """A payload with bytes missing at its end, or added to it, is refused."""
    codec = best(name, (1, 16, 16))
    payload = codec.encode(photograph((1, 16, 16)))
    for end in [*range(7, len(payload), 7), len(payload) - 2, len(payload) - 1]:
        with pytest.raises(ValueError, match=rf"is no {name} image"):
            codec.decode(payload[:end])
    for more in (b"\0", b"ab", b"\0\0\0\x08free"):
        if name in ("avif", "heic") and len(more) == 8:
            continue  # a box that any reader skips
        with pytest.raises(ValueError, match=rf"is no {name} image"):
            codec.decode(payload + more)


@each_format
def test_endless_payload_is_refused_unread(name):
    """More bytes than any image of this shape takes are not even looked at."""
    with pytest.raises(ValueError, match="100000 bytes is too long for an image"):
        best(name, (1, 8, 8)).decode(bytes(100_000))


@each_format
def test_image_without_pixels_is_one_byte(name):
    """A side of zero costs what any empty payload costs, which no file format could do."""
    codec = best(name, (3, 0, 5))
    assert codec.encode(np.zeros((3, 0, 5), np.uint8)) == b"\0"
    assert codec.decode(b"\0").shape == (3, 0, 5)
    with pytest.raises(ValueError, match="too long"):
        codec.decode(b"\0\0")


@each_format
@pytest.mark.parametrize("shape", [(4,), (8, 8), (2, 8, 8), (4, 8, 8), (1, 1, 8, 8), (1, 16384, 8)])
def test_shape_must_be_that_of_an_image(name, shape):
    """What is no image of 1 or 3 channels is refused, with the codec that takes features."""
    with pytest.raises(
        ValueError, match=rf"codec '{name}' codes images of shape .*Send a feature with codec 'tiled'"
    ):
        codecs.create(name, shape)


# The search for a quality ----------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in NAMES if name != "png"])
def test_best_quality_that_fits_is_sent(name):
    """With `max_bytes`, the payload keeps to it and a worse picture is sent than without."""
    shape = (3, 80, 80)
    pixels = photograph(shape)
    free = best(name, shape).encode(pixels)
    for limit in (900, 2000):
        codec = codecs.create(name, shape, max_bytes=limit, **BEST.get(name, {"quality": 100}))
        payload = codec.encode(pixels)
        assert 0.6 * limit < len(payload) <= limit < len(free)
        assert codecs.from_dict(codec.to_dict()).encode(pixels) == payload
    with pytest.raises(
        ValueError, match=r"max_bytes=20 is too little: the smallest payload found has \d+ bytes"
    ):
        codecs.create(name, shape, max_bytes=20).encode(pixels)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("jpeg", {"quality": 0}, "quality=0 is not an integer from 1 to 100"),
        ("webp", {"quality": 101}, "quality=101 is not an integer from 1 to 100"),
        ("avif", {"quality": 50.0}, "quality=50.0 is not an integer"),
        ("heic", {"max_bytes": 0}, "max_bytes=0 is not an integer from 1"),
        ("hevc", {"qp": 52}, "qp=52 is not an integer from 0 to 51"),
        ("jpeg2000", {"ratio": 0.5}, "ratio=0.5 is not a number from 1 up"),
        ("jpeg2000", {"ratio": "9"}, "ratio='9' is not a number from 1 up"),
        ("png", {"quality": 5}, "Its options are: none"),
    ],
)
def test_options_out_of_range_are_refused(name, options, message):
    """Another quality is refused by value."""
    with pytest.raises(ValueError, match=message):
        codecs.create(name, (1, 8, 8), **options)


def test_search_finds_the_largest_quality_and_respects_the_given_one():
    """Bisection returns the best payload within the limit; without a limit, the best of all."""
    written = []

    def write(quality):
        written.append(quality)
        return bytes(10 * quality)

    assert len(best_within(507, range(1, 101), write)) == 500
    assert len(written) <= 7
    assert len(best_within(507, range(1, 31), write)) == 300
    assert len(best_within(None, range(1, 31), write)) == 300
    with pytest.raises(
        ValueError, match="max_bytes=9 is too little: the smallest payload found has 10 bytes"
    ):
        best_within(9, range(1, 101), write)


def test_search_never_returns_more_than_the_limit():
    """Where size jumps up and down with quality, what is returned still fits."""
    sizes = np.random.default_rng(0).integers(100, 1000, 100)
    for limit in range(250, 1000, 50):
        payload = best_within(limit, range(100), lambda quality: bytes(int(sizes[quality])))
        assert len(payload) <= limit
