"""Named pipelines: fixed-length symbols, compressors behind them, and the same pipelines written out."""

import json
import zlib

import numpy as np
import pytest

from bottleneck import codecs

NAMES = ["deflate", "zstd"]
each_compressor = pytest.mark.parametrize("name", NAMES)


def relu(shape=(4, 30, 30)):
    """Half zeros, in patches."""
    y, x = np.mgrid[: shape[1], : shape[2]]
    noise = np.random.default_rng(0).normal(size=shape)
    return np.maximum(np.sin(x / 5) + np.cos(y / 4) + 0.3 * noise - 0.2, 0).astype(np.float32)


@each_compressor
@pytest.mark.parametrize(
    "options", [{}, {"of": "quantised", "levels": 16}, {"of": "quantised", "levels": 16, "whole_bytes": True}]
)
def test_decodes_to_what_the_other_codec_gives(name, options):
    """A compressor loses nothing itself, and saves something on a feature with patterns."""
    plain = codecs.create(
        options.get("of", "raw"), (4, 30, 30), **{k: v for k, v in options.items() if k != "of"}
    )
    codec = codecs.create(name, (4, 30, 30), **options)
    payload = codec.encode(relu())
    assert np.array_equal(codec.decode(payload), plain.decode(plain.encode(relu())))
    assert len(payload) < len(plain.encode(relu()))


def test_deflate_payload_is_the_zlib_stream_of_the_other_payload():
    """What is compressed is the payload itself, symbols and header."""
    inner = codecs.create("quantised", (4, 30, 30), levels=8, whole_bytes=True)
    codec = codecs.create("deflate", (4, 30, 30), of="quantised", levels=8, whole_bytes=True, level=9)
    assert codec.encode(relu()) == zlib.compress(inner.encode(relu()), 9)


@each_compressor
def test_tables_of_the_other_codec_travel_along(name):
    """A fitted range is fitted through the compressor, and survives JSON with it."""
    codec = codecs.create(name, (4, 30, 30), of="quantised", levels=7, per="channel")
    with pytest.raises(RuntimeError, match="no table yet"):
        codec.encode(relu())
    codec.fit([relu(), relu() + 1])
    copy = codecs.from_dict(json.loads(json.dumps(codec.to_dict())))
    assert copy.encode(relu()) == codec.encode(relu())
    assert codec.to_dict()["options"]["per"] == "channel"


@each_compressor
def test_only_plain_layouts_are_compressed(name):
    """Bytes that an entropy coder made are not worth compressing again."""
    with pytest.raises(
        ValueError, match=r"of='huffman' is not possible here. Choose one of 'raw', 'quantised'"
    ):
        codecs.create(name, (4,), of="huffman")


@each_compressor
def test_options_of_the_other_codec_are_checked(name):
    """A slip in an option of the other codec is refused with those that it takes."""
    with pytest.raises(ValueError, match=r"codec 'quantised': .*'bits'. Its options are: levels, per"):
        codecs.create(name, (4,), of="quantised", bits=4)


# Quantised -------------------------------------------------------------------------------------

X = np.array([0, 1, 2, 3, 3, 2, 1, 2], np.float32)


def test_golden_bytes_of_quantised():
    """Minimum, maximum, then n bits per element, most significant bit first."""
    assert codecs.create("quantised", (8,), levels=4).encode(X).hex() == "0000000000004040" + "1bf9".replace(
        "1bf9", f"{0b0001101111100110:04x}"
    )
    whole = codecs.create("quantised", (8,), levels=4, whole_bytes=True).encode(X)
    assert whole.hex() == "0000000000004040" + "0001020303020102"


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_values_are_those_of_run_length_coding_at_equal_bits(bits):
    """The same quantizer as `rle`, so that their sizes can be compared at equal accuracy."""
    x = np.random.default_rng(0).normal(size=(4, 33)).astype(np.float32)
    packed, rle = (
        codecs.create("quantised", (4, 33), levels=2**bits),
        codecs.create("rle", (4, 33), bits=bits),
    )
    assert np.array_equal(packed.decode(packed.encode(x)), rle.decode(rle.encode(x)))
    assert len(packed.encode(x)) == 8 + -(-132 * bits // 8)


def test_two_bytes_above_256_levels():
    """Whole bytes are little-endian pairs where one byte is too narrow."""
    codec = codecs.create("quantised", (3,), levels=257, whole_bytes=True)
    payload = codec.encode(np.array([0, 1, 256], np.float32))
    assert payload[8:].hex() == "000001000001"
    assert codec.decode(payload).tolist() == [0, 1, 256]


@pytest.mark.parametrize("whole_bytes", [False, True])
def test_constant_sample_is_its_header(whole_bytes):
    """Nothing follows the range of a constant sample, and nothing may."""
    codec = codecs.create("quantised", (2, 5), whole_bytes=whole_bytes)
    payload = codec.encode(np.full((2, 5), 3.5))
    assert len(payload) == 8
    assert (codec.decode(payload) == 3.5).all()
    with pytest.raises(ValueError, match="extended"):
        codec.decode(payload + b"\0")


def test_symbol_beyond_the_levels_is_refused():
    """A byte that no level has is damage."""
    codec = codecs.create("quantised", (8,), levels=4, whole_bytes=True)
    with pytest.raises(ValueError, match=r"symbols 0 \.\. 4 where there are 0 \.\. 3"):
        codec.decode(codec.encode(X)[:-1] + b"\4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": 1}, "levels=1 is not an integer from 2 to 65536"),
        ({"per": "pixel"}, "per='pixel' is not possible here. Choose one of 'sample', 'layer'"),
        ({"sigmas": 3.0}, r"sigmas=3.0 with per='sample'"),
        ({"per": "layer", "sigmas": 0.0}, r"sigmas=0.0 with per='layer': give a positive number"),
    ],
)
def test_impossible_options_are_refused(options, message):
    """Levels, scope and width of the range are checked by value."""
    with pytest.raises(ValueError, match=message):
        codecs.create("quantised", (8,), **options)


# Written out -----------------------------------------------------------------------------------

SAME = [
    ("raw", {"input": "pixels"}, [{"name": "bytes"}]),
    ("affine", {}, [{"name": "affine"}, {"name": "bytes"}]),
    ("quantised", {"levels": 7}, [{"name": "min-max", "levels": 7}, {"name": "pack"}]),
    (
        "deflate",
        {"of": "quantised", "levels": 9, "per": "channel", "whole_bytes": True, "level": 9},
        [
            {"name": "mid-point", "levels": 9, "per": "channel"},
            {"name": "bytes"},
            {"name": "deflate", "level": 9},
        ],
    ),
    (
        "tiled",
        {"image": "png", "levels": 5, "order": "similar"},
        [{"name": "min-max", "levels": 5}, {"name": "tile", "order": "similar"}, {"name": "png"}],
    ),
    ("range", {}, [{"name": "range"}]),
    ("lightweight", {"levels": 3}, [{"name": "lightweight", "levels": 3}]),
]


def training(codec, n=9):
    values = np.random.default_rng(n).integers(0, 9, (n, *codec.shape))
    return values.astype({"symbols": np.int32, "feature": np.float32, "pixels": np.uint8}[codec.input])


@pytest.mark.parametrize(("name", "options", "stages"), SAME, ids=lambda value: str(value)[:20])
def test_a_name_is_nothing_but_its_pipeline(name, options, stages):
    """The stages written out give the bytes of the named codec, with the same tables."""
    named = codecs.create(name, (3, 8, 8), **options)
    written = codecs.create("pipeline", (3, 8, 8), stages=stages, input=named.input)
    samples = training(named)
    assert written.fit(samples).encode(samples[0]) == named.fit(samples).encode(samples[0])
    assert np.array_equal(written.decode(named.encode(samples[1])), named.decode(named.encode(samples[1])))


NEW = [
    [{"name": "mid-point", "levels": 9}, {"name": "range"}],
    [{"name": "min-max", "levels": 300}, {"name": "huffman"}],
    [{"name": "affine"}, {"name": "range"}],
    [
        {"name": "mid-point", "levels": 4, "per": "neuron"},
        {"name": "tile", "order": "similar"},
        {"name": "png"},
    ],
    [{"name": "rle", "bits": 3}, {"name": "deflate"}],
    [{"name": "min-max", "levels": 5}, {"name": "range"}, {"name": "deflate"}, {"name": "zstd"}],
]


@pytest.mark.parametrize("stages", NEW, ids=lambda stages: "-".join(stage["name"] for stage in stages))
@pytest.mark.parametrize("once", [False, True])
def test_any_stages_that_fit_together_are_a_codec(stages, once):
    """Pipelines without a name are fitted in their turn, travel as JSON, and return what they quantised."""
    codec = codecs.create("pipeline", (3, 8, 8), stages=stages)
    samples = training(codec)
    assert codec.input == "feature"
    assert codec.fit(iter(samples) if once else samples).fitted
    copy = codecs.from_dict(json.loads(json.dumps(codec.to_dict())))
    payload = codec.encode(samples[0])
    assert (copy.to_dict(), copy.encode(samples[0])) == (codec.to_dict(), payload)
    decoded = copy.decode(payload)
    assert (decoded.shape, decoded.dtype) == ((3, 8, 8), np.float32)
    assert np.abs(decoded - samples[0]).max() <= 4
    assert codec.encode(decoded) == payload


def test_later_stages_see_what_earlier_ones_make_of_the_training_samples():
    """A range coder behind a quantizer counts the quantizer's levels."""
    stages = [{"name": "mid-point", "levels": 4}, {"name": "range"}]
    codec = codecs.create("pipeline", (200,), stages=stages)
    samples = np.random.default_rng(0).normal(size=(30, 200)).astype(np.float32)
    codec.fit(samples)
    plain = codecs.create("quantised", (200,), levels=4, per="layer").fit(samples)
    assert len(codec.encode(samples[0])) < len(plain.encode(samples[0]))
    assert np.array_equal(codec.decode(codec.encode(samples[0])), plain.decode(plain.encode(samples[0])))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], r"stages=\[\] is no list of stages"),
        ("range", "stages='range' is no list of stages"),
        ([{"name": "deflate"}], r"stage 'deflate' takes \[\]"),
        ([{"name": "bytes"}], r"stage 'bytes' takes \['symbols', 'feature', 'pixels'\]\. Say input="),
        ([{"name": "affine"}], "the pipeline ends with levels, not with bytes"),
        ([{"name": "affine"}, {"name": "jpeg"}], "stage 'jpeg' takes pixels, and would get levels"),
        ([{"name": "rle"}, {"name": "pack"}], "stage 'pack' takes pixels or levels, and would get bytes"),
        (
            [{"name": "range"}, {"name": "lzma"}],
            "describes no stage. Give a dict with a name, one of 'affine'",
        ),
        ([{"name": "range"}, "deflate"], "'deflate' describes no stage"),
        ([{"name": "rle", "n": 3}], "stage 'rle': .*'n'.* Its options are: bits"),
    ],
)
def test_stages_that_do_not_fit_together_are_refused(stages, message):
    """Each mistake in a pipeline is named, with what would be right."""
    with pytest.raises(ValueError, match=message):
        codecs.create("pipeline", (1, 8, 8), stages=stages)


def test_numpy_numbers_as_options_are_plain_in_the_description():
    """Options of NumPy's types come out as JSON values."""
    d = codecs.create("rle", (3,), bits=np.int64(4)).to_dict()
    assert json.loads(json.dumps(d))["options"] == {"bits": 4}
    d = codecs.for_parts([(np.int64(2), 2), (3,)], "rle", bits=np.int64(3)).to_dict()
    assert json.loads(json.dumps(d))["options"]["shapes"] == [[2, 2], [3]]
    stages = [{"name": "min-max", "levels": np.int64(7)}, {"name": "pack"}]
    d = codecs.create("pipeline", (3,), stages=stages).to_dict()
    assert json.loads(json.dumps(d))["options"]["stages"][0]["levels"] == 7
