"""Tiled: features as grey pictures in every image format."""

import json

import numpy as np
import pytest

from bottleneck import codecs

SHAPE = (12, 14, 14)
FORMATS = ["avif", "heic", "hevc", "jpeg", "jpeg2000", "png", "webp"]
each_format = pytest.mark.parametrize("image", FORMATS)


def feature(seed=0, shape=SHAPE):
    """Smooth channels, each with its own range, as after a convolution."""
    rng = np.random.default_rng(seed)
    c, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    smooth = np.sin(x / 3 + c + seed) + np.cos(y / 4 - c)
    return ((1 + c / 4) * smooth + 0.05 * rng.normal(size=shape)).astype(np.float32)


@each_format
@pytest.mark.parametrize("per", ["sample", "channel"])
def test_values_come_back_close(image, per):
    """Each format returns a feature near to the given one, the same one every time."""
    options = {"ratio": 4} if image == "jpeg2000" else {}
    codec = codecs.create("tiled", SHAPE, image=image, per=per, **options).fit([feature(1), feature(2)])
    payload = codec.encode(feature())
    decoded = codec.decode(payload)
    assert np.abs(decoded - feature()).mean() < 0.15 * feature().std()
    assert np.array_equal(codec.decode(payload), decoded)
    assert len(payload) < feature().size


@pytest.mark.parametrize(("levels", "per"), [(256, "sample"), (16, "sample"), (7, "layer"), (256, "neuron")])
@pytest.mark.parametrize("layout", ["square", "power2", "balanced"])
def test_png_loses_only_what_the_quantizer_loses(levels, per, layout):
    """The lossless picture decodes to the values of the plain quantizer, at any number of levels."""
    plain = codecs.create("quantised", SHAPE, levels=levels, per=per).fit([feature(1), feature(2)])
    codec = codecs.create("tiled", SHAPE, image="png", levels=levels, per=per, layout=layout)
    codec.fit([feature(1), feature(2)])
    assert np.array_equal(codec.decode(codec.encode(feature())), plain.decode(plain.encode(feature())))


def test_payload_is_the_range_and_then_the_file():
    """Eight bytes of minimum and maximum before the file; a fitted range takes none."""
    x = feature()
    payload = codecs.create("tiled", SHAPE, image="png").encode(x)
    assert np.frombuffer(payload[:8], "<f4").tolist() == [x.min(), x.max()]
    assert payload[8:12] == b"\x89PNG"
    fitted = codecs.create("tiled", SHAPE, image="png", per="layer").fit([x])
    assert fitted.encode(x)[:4] == b"\x89PNG"


def test_tiles_of_whole_blocks_cost_less_error():
    """JPEG at equal quality errs less where no transform block spans two channels."""
    shape = (64, 7, 7)
    x = (
        np.repeat(np.random.default_rng(0).normal(size=(64, 1, 1)), 49, axis=1)
        .reshape(shape)
        .astype(np.float32)
    )
    errors = []
    for block in (1, 8):
        codec = codecs.create("tiled", shape, image="jpeg", quality=30, block=block)
        errors.append(np.abs(codec.decode(codec.encode(x)) - x).mean())
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("per", ["sample", "layer"])
def test_max_bytes_limits_the_whole_payload(per):
    """A limit counts the range as well as the file, and the best quality within it is sent."""
    options = {"image": "jpeg", "per": per, "quality": 95}
    free = codecs.create("tiled", SHAPE, **options).fit([feature(1)]).encode(feature())
    for limit, expected in [(len(free), free), (len(free) - 1, None), (900, None)]:
        codec = codecs.create("tiled", SHAPE, max_bytes=limit, **options).fit([feature(1)])
        payload = codec.encode(feature())
        assert 0.7 * limit < len(payload) <= limit
        assert expected in (None, payload)
        assert codecs.from_dict(json.loads(json.dumps(codec.to_dict()))).encode(feature()) == payload


def test_order_by_similarity_shortens_the_file():
    """Tiles that resemble their neighbours take fewer bytes, and every channel comes back to its place."""
    kinds = feature(shape=(4, 8, 8))
    shuffled = np.random.default_rng(3).permutation(np.repeat(np.arange(4), 16))
    noise = 0.02 * np.random.default_rng(4).normal(size=(64, 8, 8))
    x = (kinds[shuffled] + noise).astype(np.float32)
    given = codecs.create("tiled", (64, 8, 8), image="webp", order="given")
    similar = codecs.create("tiled", (64, 8, 8), image="webp", order="similar")
    with pytest.raises(RuntimeError, match="no table yet"):
        similar.encode(x)
    similar.fit([x, x + 1])
    assert len(similar.encode(x)) < 0.9 * len(given.encode(x))
    assert np.abs(similar.decode(similar.encode(x)) - x).mean() < 0.1
    copy = codecs.from_dict(json.loads(json.dumps(similar.to_dict())))
    assert np.array_equal(copy.decode(similar.encode(x)), similar.decode(similar.encode(x)))


def test_fit_of_order_and_range_reads_samples_once():
    """A generator of batches gives the order and the range of all samples."""
    samples = np.stack([feature(seed) for seed in range(5)])
    one = codecs.create("tiled", SHAPE, per="neuron", order="similar").fit(iter([samples]))
    two = codecs.create("tiled", SHAPE, per="neuron", order="similar").fit(s for s in samples)
    plain = codecs.create("quantised", SHAPE, per="neuron").fit([samples])
    assert one.to_dict()["tables"]["order"] == two.to_dict()["tables"]["order"]
    assert np.allclose(one.to_dict()["tables"]["mean"], two.to_dict()["tables"]["mean"])
    assert np.allclose(one.to_dict()["tables"]["mean"], plain.to_dict()["tables"]["mean"])
    with pytest.raises(ValueError, match="no arrays to fit stage 'tile' of codec 'tiled' on"):
        codecs.create("tiled", SHAPE, order="similar").fit([])


def test_constant_sample_is_its_range():
    """A constant feature is eight bytes."""
    payload = codecs.create("tiled", SHAPE).encode(np.full(SHAPE, 2.5, np.float32))
    assert len(payload) == 8
    assert (codecs.create("tiled", SHAPE).decode(payload) == 2.5).all()


def test_damaged_order_is_refused():
    """An order that is no permutation is refused."""
    d = codecs.create("tiled", SHAPE, order="similar").fit([feature()]).to_dict()
    with pytest.raises(ValueError, match="no permutation of 12 channels"):
        codecs.from_dict(d | {"tables": {"order": [0] * 12}})


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4,), {}, r"takes features of shape \(C, H, W\), or \(C, L\) for tokens, .*; got shape=\(4,\)"),
        (SHAPE, {"image": "gif"}, "image='gif' is not possible here. Choose one of 'avif'"),
        (SHAPE, {"levels": 257}, "levels=257 is not an integer from 2 to 256"),
        (SHAPE, {"order": "random"}, "order='random' is not possible here"),
        (SHAPE, {"image": "png", "quality": 3}, "stage 'png': .*Its options are: none"),
        (SHAPE, {"quality": 300}, "quality=300 is not an integer from 1 to 100"),
    ],
)
def test_impossible_options_are_refused(shape, options, message):
    """Each option, those of the image format among them, is checked by value."""
    with pytest.raises(ValueError, match=message):
        codecs.create("tiled", shape, **options)


@pytest.mark.parametrize("order", ["given", "similar"])
def test_tokens_are_tiled_as_maps_of_their_grid(order):
    """Tokens of shape (C, L) come back as the quantizer left them, in any order of the channels."""
    maps = feature(shape=(12, 4, 4))
    tokens = np.concatenate([maps[:, :1, 0], maps.reshape(12, 16)], axis=1)
    plain = codecs.create("quantised", tokens.shape, levels=256)
    codec = codecs.create("tiled", tokens.shape, image="png", order=order).fit([tokens, -tokens])
    assert np.array_equal(codec.decode(codec.encode(tokens)), plain.decode(plain.encode(tokens)))
