"""JPEG, JPEG 2000, WebP, AVIF and PNG: real files, what is left out of them, bombs."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, features

from bottleneck import codecs
from bottleneck.codecs.pictures.pillow import Jpeg2000

FORMATS = {"jpeg": "JPEG", "jpeg2000": "JPEG2000", "webp": "WEBP", "avif": "AVIF", "png": "PNG"}
STAIRS = np.arange(0, 240, 30, dtype=np.uint8)[None, None].repeat(4, 1)  # 1×4×8


def noise(shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def file_of(image, name, **options):
    file = io.BytesIO()
    image.save(file, FORMATS[name], **options)
    return file.getvalue()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_payload_is_an_image_file(name, channels):
    """Any reader opens a payload as it is, and sees the pixels that `decode` returns."""
    codec = codecs.create(name, (channels, 16, 24))
    payload = codec.encode(noise((channels, 16, 24)))
    image = Image.open(io.BytesIO(payload))
    assert image.format == FORMATS[name]
    assert not image.info.keys() & {"exif", "xmp", "icc_profile", "comment"} or name == "jpeg2000"
    seen = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    assert np.abs(codec.decode(payload).astype(int) - seen).max() <= (2 if channels == 1 else 0)


def test_png_written_by_hand_is_read():
    """A PNG put together chunk by chunk decodes to its pixels."""

    def chunk(kind, body):
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    rows = b"".join(b"\0" + bytes(row) for row in STAIRS[0])
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes([0, 0, 0, 8, 0, 0, 0, 4, 8, 0, 0, 0, 0]))
    file += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert np.array_equal(codecs.create("png", (1, 4, 8)).decode(file), STAIRS)


@pytest.mark.parametrize("shape", [(1, 13, 9), (3, 13, 9)])
def test_png_is_lossless(shape):
    """PNG returns every pixel."""
    codec = codecs.create("png", shape)
    assert np.array_equal(codec.decode(codec.encode(noise(shape))), noise(shape))


def test_files_are_no_larger_than_they_need_be():
    """Tables made for the image, no wrapper and no advertisement: each file beats Pillow's own default."""
    pixels = np.random.default_rng(0).normal(128, 30, (64, 64)).clip(0, 255).astype(np.uint8)
    for name, options in [("jpeg", {"quality": 50}), ("webp", {"quality": 50}), ("jpeg", {"quality": 5})]:
        ours = codecs.create(name, (1, 64, 64), **options).encode(pixels[None])
        assert len(ours) < len(file_of(Image.fromarray(pixels), name, **options))
    codestream = codecs.create("jpeg2000", (1, 64, 64)).encode(pixels[None])
    assert codestream.startswith(b"\xff\x4f")
    assert b"OpenJPEG" not in codestream


@pytest.mark.parametrize("ratio", [5, 20, 60])
def test_jpeg2000_meets_its_ratio(ratio):
    """The payload has about the pixels' bytes over `ratio`."""
    pixels = np.random.default_rng(0).normal(128, 30, (3, 96, 96)).clip(0, 255).astype(np.uint8)
    size = len(codecs.create("jpeg2000", (3, 96, 96), ratio=ratio).encode(pixels))
    assert size == pytest.approx(pixels.size / ratio, rel=0.06)


@pytest.mark.parametrize("name", FORMATS)
def test_larger_image_is_refused_by_its_header(name, monkeypatch):
    """A small file of a huge image is refused before its pixels are read or a canvas is made for them."""
    bomb = file_of(Image.new("L", (1500, 1000)), name, **({"no_jp2": True} if name == "jpeg2000" else {}))
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    monkeypatch.setattr("PIL._webp.WebPAnimDecoder", None)
    with pytest.raises(ValueError, match=r"1000×1500|\(1000, 1500\)|segment ff51|header is another"):
        codecs.create(name, (1, 8, 8)).decode(bomb)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "I;16"])
def test_png_of_another_mode_is_refused(mode):
    """Palettes, alpha and 16 bits are no pixels of ours, though the size is right."""
    image = Image.fromarray(STAIRS[0]).convert(mode) if mode != "I;16" else Image.new(mode, (8, 4))
    with pytest.raises(ValueError, match="its header is another one"):
        codecs.create("png", (1, 4, 8)).decode(file_of(image, "png"))


def test_file_of_another_format_is_refused():
    """Each codec reads its own format only."""
    file = file_of(Image.fromarray(STAIRS[0]), "jpeg")
    for name in FORMATS.keys() - {"jpeg"}:
        with pytest.raises(ValueError, match=f"is no {name} image"):
            codecs.create(name, (1, 4, 8)).decode(file)


def test_grey_picture_that_is_read_as_colour_is_accepted_where_the_format_does_so():
    """Some readers return a grey AVIF or WebP in three channels; a JPEG or PNG in three is another image."""
    image = Image.fromarray(STAIRS[0]).convert("RGB")
    for name in ("avif", "webp"):
        decoded = codecs.create(name, (1, 4, 8)).decode(file_of(image, name, quality=100))
        assert np.abs(decoded.astype(int) - STAIRS).max() < 12
    for name in ("jpeg", "png", "jpeg2000"):
        with pytest.raises(ValueError, match=r"in mode RGB|segment ff51|header is another"):
            codecs.create(name, (1, 4, 8)).decode(file_of(image, name, no_jp2=True))


def test_format_that_pillow_lacks_is_a_missing_library(monkeypatch):
    """A Pillow built without a format is named with the version to install."""
    monkeypatch.setattr(features, "check", lambda feature: feature != "avif")
    with pytest.raises(codecs.MissingLibraryError, match=r"codec 'avif' needs .*pip install 'pillow>=11.3'"):
        codecs.create("avif", (1, 8, 8))
    assert isinstance(codecs.create("jpeg2000", (1, 8, 8)).coder, Jpeg2000)
