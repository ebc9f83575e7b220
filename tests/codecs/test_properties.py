"""What holds for every codec and any input: round trips, refusal of foreign bytes, one result however run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck import codecs
from bottleneck.codecs.jit import Loop

quick = settings(deadline=None, max_examples=15, derandomize=True, database=None)

DTYPES = {"symbols": np.int32, "feature": np.float32, "pixels": np.uint8}
KINDS = [
    ("huffman", {}),
    ("lightweight", {"levels": 2}),
    ("lightweight", {"levels": 5, "quantizer": "ecq", "clipping": "minmax"}),
    ("packed", {}),
    ("range", {}),
    ("context", {}),
    ("context", {"groups": 2, "width": 3}),
    ("stream", {}),
    ("raw", {"input": "feature"}),
    ("raw", {"input": "pixels"}),
    ("deflate", {"input": "feature"}),
    ("deflate", {"input": "pixels", "level": 1}),
    *[("rle", {"bits": bits}) for bits in (1, 3, 8, 16)],
    ("rle-adaptive", {}),
    *[("quantised", {"levels": levels}) for levels in (2, 7, 300)],
    ("quantised", {"levels": 300, "whole_bytes": True}),
    *[("quantised", {"levels": 7, "per": per}) for per in ("layer", "channel", "neuron")],
    ("deflate", {"of": "quantised", "levels": 5}),
    ("zstd", {}),
    ("zstd", {"of": "quantised", "levels": 5, "whole_bytes": True}),
    ("tiled", {"image": "png", "levels": 7}),
    ("tiled", {"image": "png", "per": "neuron", "order": "similar"}),
    ("tiled", {"image": "jpeg"}),
    ("pipeline", {"stages": [{"name": "mid-point", "levels": 3}, {"name": "range"}, {"name": "deflate"}]}),
    ("pipeline", {"stages": [{"name": "affine"}, {"name": "huffman"}]}),
    *[(name, {}) for name in ("avif", "heic", "hevc", "jpeg", "jpeg2000", "png", "webp")],
]
PICTURES = ("avif", "heic", "hevc", "jpeg", "jpeg2000", "webp")  # lossy: no bound on the error of one pixel
each_kind = pytest.mark.parametrize(("name", "options"), KINDS, ids=lambda value: str(value))
shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
feature_shapes = st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
image_shapes = st.tuples(st.sampled_from([1, 3]), st.integers(0, 20), st.integers(0, 20))


def arrays(codec, largest=6):
    """Arrays for a codec: small values and many zeros, now and then an extreme one."""
    rare = {
        "symbols": st.integers(-(2**31), 2**31 - 1),
        "feature": st.floats(width=32, allow_nan=False, allow_infinity=False),
        "pixels": st.just(largest),
    }[codec.input]
    common = st.integers(0 if codec.input == "pixels" else -3, largest)
    values = st.lists(
        st.one_of(st.just(0), common, common, rare), min_size=codec.n_values, max_size=codec.n_values
    )
    return values.map(lambda v: np.array(v, DTYPES[codec.input]).reshape(codec.shape))


@st.composite
def codecs_with_sample(draw, name, options):
    """A fitted codec of some shape, and a sample for it."""
    sizes = feature_shapes if name == "tiled" else image_shapes if name in (*PICTURES, "png") else shapes
    codec = codecs.create(name, draw(sizes), **options)
    training = np.arange(-2, 7).clip(0 if codec.input == "pixels" else -2)
    codec.fit([np.resize(training, codec.shape).astype(DTYPES[codec.input])])
    largest = codec.coder.n_levels - 1 if name == "packed" else 255 if name in (*PICTURES, "png") else 6
    return codec, draw(arrays(codec, largest))


def outcome(codec, payload):
    """What decode makes of any bytes: an array in the contract's form, or the text of its ValueError."""
    try:
        array = codec.decode(payload)
    except ValueError as error:
        return str(error)
    assert (array.shape, array.dtype) == (codec.shape, DTYPES[codec.input])
    assert np.isfinite(array).all()
    return array.tolist()


@each_kind
@quick
@given(data=st.data())
def test_round_trip(name, options, data):
    """Lossless codecs return what they were given, for any shape; the others their quantised values."""
    codec, array = data.draw(codecs_with_sample(name, options))
    payload = codec.encode(array)
    decoded = codec.decode(payload)
    assert (codec.encode(array), codec.decode(payload).tobytes()) == (payload, decoded.tobytes())
    assert payload
    if name in (*PICTURES, "pipeline") or options.get("image") == "jpeg":
        return
    if name == "lightweight":
        quantizer = codec.coder.scalar_quantizer
        index = np.searchsorted(quantizer.thresholds, array, side="right")
        assert np.array_equal(decoded, quantizer.levels[index])
        return
    default = {"rle-adaptive": 2**16, "tiled": 256}.get(name, 2 ** options.get("bits", 0))
    levels = options.get("levels", default)
    if levels == 1:
        assert decoded.tobytes() == array.tobytes()
        return
    if name == "rle":
        assert len(payload) == codec.coder.size(array)
    if options.get("per"):
        assert codec.encode(decoded) == payload  # a fixed point; how far away it may be, the range says
    elif array.size:
        low, high = float(array.min()), float(array.max())
        step = (high - low) / (levels - 1)
        error = np.abs(decoded.astype(np.float64) - array)
        rounding = 2.0**-23 * max(abs(low), abs(high)) + 1.2e-38
        assert error.max() <= step / 2 * (1 + 1e-6) + rounding


@each_kind
@quick
@given(data=st.data())
def test_foreign_bytes_are_refused_or_make_a_legal_array(name, options, data):
    """Random bytes give a ValueError or an array of the right form, and nothing else."""
    codec, _ = data.draw(codecs_with_sample(name, options))
    outcome(codec, data.draw(st.binary(max_size=60)))


@each_kind
@quick
@given(data=st.data())
def test_changed_bytes_are_refused_or_make_a_legal_array(name, options, data):
    """A payload with any byte changed gives a ValueError or an array of the right form."""
    codec, array = data.draw(codecs_with_sample(name, options))
    payload = bytearray(codec.encode(array))
    for _ in range(data.draw(st.integers(1, 3)) if payload else 0):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    outcome(codec, payload)


@pytest.mark.sampled(13)
@each_kind
@quick
@given(data=st.data())
def test_another_length_is_refused(name, options, data):
    """No payload decodes with bytes missing at its end or added to it, unless they are another's payload."""
    codec, array = data.draw(codecs_with_sample(name, options))
    payload = codec.encode(array)
    shorter = payload[: data.draw(st.integers(0, len(payload)))]
    longer = payload + data.draw(st.binary(min_size=1, max_size=9))
    for other in {shorter, longer} - {payload}:
        decoded = outcome(codec, other)
        if name in ("context", "lightweight", "range", "stream") and not isinstance(decoded, str):
            assert codec.encode(np.array(decoded, DTYPES[codec.input])) == other
        else:
            assert isinstance(decoded, str)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        kind
        for kind in KINDS
        if kind[0] in ("context", "huffman", "lightweight", "packed", "quantised", "range", "rle", "stream")
    ],
)
@quick
@given(data=st.data())
def test_interpreted_and_compiled_agree(name, options, data):
    """With and without a compiler: the same bytes, the same arrays, the same refusals."""
    codec, array = data.draw(codecs_with_sample(name, options))
    payload, foreign = codec.encode(array), data.draw(st.binary(max_size=40))
    compiled = [payload, outcome(codec, payload), outcome(codec, foreign), outcome(codec, payload + b"\0")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "__call__", Loop.py_func)
        payload = codec.encode(array)
        interpreted = [
            payload,
            outcome(codec, payload),
            outcome(codec, foreign),
            outcome(codec, payload + b"\0"),
        ]
    assert interpreted == compiled


def test_interpreted_and_compiled_agree_on_many_words():
    """The same on long samples, whose payloads fill hundreds of words."""
    rng = np.random.default_rng(0)
    symbols = (rng.geometric(0.3, 3000) - 1).astype(np.int32)
    symbols[::97] = rng.integers(-(2**31), 2**31, symbols[::97].size)
    feature = np.maximum(rng.normal(size=3000), 0).astype(np.float32)
    work = [(codecs.create("huffman", (3000,)).fit([np.abs(symbols) % 9]), symbols)]
    work += [(codecs.create("range", (3000,)).fit([np.abs(symbols) % 9]), symbols)]
    work += [(codecs.create("lightweight", (3000,), levels=n).fit([feature]), feature) for n in (2, 9)]
    work += [(codecs.create("rle", (3000,), bits=bits), feature) for bits in (1, 2, 4, 11, 16)]
    for codec, array in work:
        payload = codec.encode(array)
        decoded = codec.decode(payload)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Loop, "__call__", Loop.py_func)
            assert codec.encode(array) == payload
            assert np.array_equal(codec.decode(payload), decoded)
