"""What all codecs share: the registry, the contract of `Codec`, what is imported, how loops run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bottleneck import codecs

SHAPE = (3, 3, 4)
ROOT = Path(codecs.__file__).parents[2]


def fitted(name, shape=SHAPE, **options):
    codec = codecs.create(name, shape, **options)
    return codec.fit([sample(codec)])


def sample(codec, seed=0):
    """A legal array for a codec: a few small values, many zeros."""
    values = np.random.default_rng(seed).integers(-2, 3, codec.shape)
    if codec.input == "pixels":
        return np.abs(values).astype(np.uint8)
    return values.astype(np.int32 if codec.input == "symbols" else np.float32)


def run(code, **env):
    """Run Python in a fresh process that finds this checkout; its standard output."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# The registry ----------------------------------------------------------------------------------


def test_every_name_creates_a_codec_of_that_name():
    """`names` lists what `create` builds, and each codec knows its own name and shape."""
    assert {"deflate", "huffman", "lightweight", "packed", "range", "raw", "rle"} <= set(codecs.names())
    for name in codecs.names():
        codec = codecs.create(name, shape=[3, 3, 4])
        assert (codec.name, codec.shape) == (name, SHAPE)
        assert codec.input in ("symbols", "feature", "pixels")


def test_unknown_name_is_refused_with_the_known_ones():
    """A misspelt codec name gets the list of names."""
    with pytest.raises(ValueError, match=r"codec='hufman' is unknown.*'huffman'.*'rle'"):
        codecs.create("hufman", SHAPE)
    with pytest.raises(ValueError, match=r"codec='lzma' is unknown.*'deflate'"):
        codecs.from_dict({"name": "lzma", "shape": [1], "options": {}, "tables": None})


def test_unknown_option_is_refused_with_the_known_ones():
    """An option that a codec does not take gets the list of those it takes."""
    with pytest.raises(ValueError, match=r"codec 'rle'.*'n'.*options are: bits"):
        codecs.create("rle", SHAPE, n=4)


@pytest.mark.parametrize("shape", [5, "ab", (2, -1), (2.0, 3)])
def test_shape_must_be_integers(shape):
    """A shape that is no sequence of sizes is refused by its value."""
    with pytest.raises(ValueError, match=r"shape=.*Pass e\.g\. shape=\(32, 4, 4\)"):
        codecs.create("raw", shape)


# The contract ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", codecs.names())
def test_decode_returns_shape_and_dtype_of_the_contract(name):
    """What comes back has the codec's shape and its input's dtype, and can be written to."""
    codec = fitted(name)
    payload = codec.encode(sample(codec))
    array = codec.decode(payload)
    dtype = {"symbols": np.int32, "feature": np.float32, "pixels": np.uint8}[codec.input]
    assert type(payload) is bytes
    assert (array.shape, array.dtype) == (SHAPE, dtype)
    array += 1


@pytest.mark.parametrize("name", codecs.names())
def test_description_survives_json(name):
    """A codec rebuilt from JSON writes the same payload and reads it."""
    codec = fitted(name)
    copy = codecs.from_dict(json.loads(json.dumps(codec.to_dict())))
    array = sample(codec, seed=1)
    payload = codec.encode(array)
    assert type(copy) is type(codec)
    assert copy.to_dict() == codec.to_dict()
    assert copy.encode(array) == payload
    assert np.array_equal(copy.decode(payload), codec.decode(payload))


@pytest.mark.parametrize("name", ["context", "huffman", "lightweight", "packed", "range"])
def test_missing_table_is_a_runtime_error_with_the_cure(name):
    """Without `fit`, a codec with tables neither encodes nor decodes, and says what to call."""
    codec = codecs.create(name, SHAPE)
    for use in (lambda: codec.encode(sample(codec)), lambda: codec.decode(b"\0")):
        with pytest.raises(RuntimeError, match=rf"codec '{name}' has no table yet\. Call fit\(training_"):
            use()
    assert not codec.fitted
    assert codecs.from_dict(codec.to_dict()).to_dict() == codec.to_dict()
    assert codec.fit([sample(codec)]).fitted


@pytest.mark.parametrize("name", codecs.names())
@pytest.mark.parametrize("damage", ["shape", "options", "tables", "bad shape", "bad option", "none"])
def test_damaged_description_is_a_value_error(name, damage):
    """A description with a missing or impossible part is refused, never half believed."""
    d = fitted(name).to_dict()
    if damage in d:
        del d[damage]
    elif damage == "bad shape":
        d["shape"] = None
    elif damage == "bad option":
        d["options"]["depth"] = 3
    else:
        d = None
    with pytest.raises(ValueError, match=r"description|shape=None|options are"):
        codecs.from_dict(d)


@pytest.mark.parametrize("name", codecs.names())
def test_wrong_shape_is_refused(name):
    """An array of another shape, or a batch, is refused with both shapes."""
    codec = fitted(name)
    for shape in [(7, *SHAPE), (36,), (3, 3, 5)]:
        array = np.zeros(shape, sample(codec).dtype)
        with pytest.raises(ValueError, match=r"one sample of shape \(3, 3, 4\); got \("):
            codec.encode(array)


@pytest.mark.parametrize("name", codecs.names())
def test_wrong_dtype_is_refused(name):
    """Symbols are integers, features floating point, pixels uint8; anything else gets the cure."""
    codec = fitted(name)
    for dtype in [bool, complex, "U1", *([np.float32] if codec.input != "feature" else [np.int32])]:
        with pytest.raises(ValueError, match=rf"codes {codec.input} of dtype .*; got dtype .*Pass "):
            codec.encode(np.zeros(SHAPE, dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("name", ["raw", "rle", "deflate", "lightweight"])
def test_values_that_are_no_float32_are_refused(name, value):
    """NaN, infinity and what overflows float32 are refused by value, wherever they are."""
    codec = fitted(name)
    array = np.ones(SHAPE)
    array[1, 2, 3] = value
    with pytest.raises(ValueError, match=r"finite values that fit float32; got -?(nan|inf|1e\+39)"):
        codec.encode(array)
    if not np.isfinite(value):
        with pytest.raises(ValueError, match="finite"):
            codec.encode(array.astype(np.float16))


@pytest.mark.parametrize("name", ["huffman", "range"])
def test_symbols_beyond_int32_are_refused(name):
    """A symbol that int32 cannot hold is refused by value; the extremes of int32 are fine."""
    codec = fitted(name, (2,))
    extremes = np.array([-(2**31), 2**31 - 1])
    assert np.array_equal(codec.decode(codec.encode(extremes)), extremes)
    for value in (2**31, -(2**31) - 1):
        with pytest.raises(ValueError, match=rf"fit int32; got {value}"):
            codec.encode(np.array([0, value]))


@pytest.mark.parametrize("name", codecs.names())
def test_any_layout_and_width_of_the_same_values_gives_the_same_payload(name):
    """Strides, byte order, read-only memory and wider or narrower types do not reach the payload."""
    codec = fitted(name)
    array = sample(codec)
    payload = codec.encode(array)
    frozen = array.copy()
    frozen.flags.writeable = False
    same = [
        np.asfortranarray(array),
        array[::-1][::-1],
        frozen,
        array.tolist() if codec.input == "symbols" else array,
    ]
    if codec.input == "symbols":
        same += [array.astype(np.int8), array.astype(np.int64), array.astype(">i4")]
    if codec.input == "feature":
        same += [array.astype(np.float16), array.astype(np.float64), array.astype(">f4")]
    for other in same:
        assert codec.encode(other) == payload


@pytest.mark.parametrize("name", codecs.names())
def test_payload_may_be_any_bytes_like(name):
    """bytes, bytearray and memoryview decode alike; text and lists are refused."""
    codec = fitted(name)
    payload = codec.encode(sample(codec))
    expected = codec.decode(payload)
    for other in (bytearray(payload), memoryview(payload), np.frombuffer(payload, np.uint8)):
        assert np.array_equal(codec.decode(other), expected)
    for other in ("abc", [1, 2], None, 7):
        with pytest.raises(ValueError, match=rf"codec '{name}' decodes bytes; got {type(other).__name__}"):
            codec.decode(other)


@pytest.mark.parametrize("name", codecs.names())
def test_no_bytes_are_a_lost_message(name):
    """No payload is empty, not even that of a sample without elements, and no bytes are no sample."""
    for shape in (SHAPE, (1, 0, 4)):
        codec = codecs.create(name, shape)
        codec.fit([np.zeros(shape, sample(codec).dtype)] * 300)
        payload = codec.encode(np.zeros(shape, sample(codec).dtype))
        assert payload
        assert np.array_equal(codec.decode(payload), np.zeros(shape))
        with pytest.raises(ValueError, match=f"codec '{name}' got no bytes: an empty payload is a lost"):
            codec.decode(b"")


@pytest.mark.parametrize(("name", "options"), [("raw", {"input": "pixels"}), ("packed", {})])
def test_a_zero_byte_that_was_written_is_read_as_such(name, options):
    """Where one zero byte is a payload of its own, it stands for no other."""
    codec = codecs.create(name, (1,), **options)
    codec.fit([np.array([value], sample(codec).dtype) for value in [1, 1, 1, 2, 2, 0]])
    decoded = codec.decode(b"\0")
    assert codec.encode(decoded) == b"\0"
    assert decoded.shape == (1,)


def test_tables_belong_to_codecs_that_take_some():
    """A codec whose coder has no tables says which one takes them."""
    with pytest.raises(ValueError, match=r"codec 'rle' takes no tables\. Use codec 'range'"):
        codecs.create("rle", SHAPE).with_tables({})


def test_share_of_zeros_is_asked_of_run_lengths_alone():
    """Only codecs of runs of zeros have a share of zeros."""
    x = np.array([0, 0.4, 3, 3], np.float32)
    assert codecs.create("rle", (4,), bits=2).zero_fraction(x) == 0.5
    assert codecs.create("raw", (4,)).zero_fraction(x) is None


def test_reshaped_codec_keeps_its_tables():
    """A fitted codec codes samples of another shape with the very same tables."""
    symbols = np.random.default_rng(0).integers(-2, 3, (20, 3, 4, 4))
    codec = codecs.create("range", shape=(3, 4, 4)).fit(symbols)
    larger = codec.reshaped((3, 8, 4))
    assert larger.to_dict()["tables"] == codec.to_dict()["tables"]
    sample = np.concatenate([symbols[0], symbols[1]], 1)
    np.testing.assert_array_equal(larger.decode(larger.encode(sample)), sample)


@pytest.mark.parametrize("name", codecs.names())
def test_fit_reads_samples_and_batches_once(name):
    """A generator of samples or of batches fits alike; features where symbols belong are refused."""
    codec = fitted(name)
    array = sample(codec)
    by_batch = codecs.create(name, SHAPE).fit(batch for batch in [np.stack([array, array])])
    by_sample = codecs.create(name, SHAPE).fit(s for s in [array, array])
    assert by_batch.to_dict() == by_sample.to_dict()
    if name in ("context", "huffman", "lightweight", "packed", "range"):
        with pytest.raises(ValueError, match=r"one sample of shape|codes .* of dtype"):
            codec.fit([array.astype(np.complex64)])
        with pytest.raises(ValueError, match=r"one sample of shape"):
            codec.fit([array[0]])
    if not codecs.create(name, SHAPE).fitted:
        for nothing in ([], [np.zeros((0, *SHAPE), array.dtype)], iter([])):
            with pytest.raises(ValueError, match=r"no arrays to fit stage .* Pass training"):
                codec.fit(nothing)


@pytest.mark.parametrize("name", codecs.names())
def test_ideal_bits_are_those_of_a_table_or_none(name):
    """A codec with a distribution knows what an ideal coder would spend on a sample; others say None."""
    codec = fitted(name)
    bits = codec.ideal_bits(sample(codec))
    if name == "lightweight":  # learns on the way, so real bytes may be less
        assert bits > 0
    elif name in ("context", "huffman", "packets", "parts", "range"):
        assert 0 < bits <= 8 * len(codec.encode(sample(codec)))
    else:
        assert bits is None


def test_repr_shows_how_to_build_it_again():
    """The text of a codec is the call that makes it."""
    assert repr(codecs.create("rle", SHAPE, bits=3)) == "codecs.create('rle', shape=(3, 3, 4), bits=3)"


# Imports and loops -----------------------------------------------------------------------------


def test_importing_loads_numpy_only():
    """Importing the package, building codecs and loading tables loads no optional library."""
    description = json.dumps(fitted("huffman").to_dict())
    loaded = run(
        f"""
import json, sys
from bottleneck import codecs
for name in codecs.names(): codecs.create(name, (1, 2, 3))
codecs.from_dict(json.loads({description!r}))
optional = ("numba", "dahuffman", "av", "pillow_heif", "zstandard", "torch", "lightning", "hydra", "optuna")
print([m for m in optional if m in sys.modules])
"""
    )
    assert loaded.strip() == "[]"


def test_payloads_are_equal_with_and_without_a_compiler(tmp_path):
    """With numba, dahuffman and torch missing, every codec writes and reads the bytes of the compiled one."""
    work = []
    for name in codecs.names():
        codec = fitted(name, (3, 16, 20))
        array = sample(codec, seed=2)
        if codec.input == "symbols":
            array[0, 0, 0] = -12345
        payload = codec.encode(array)
        decoded = codec.decode(payload).tobytes()
        work.append([codec.to_dict(), array.tolist(), str(array.dtype), payload.hex(), decoded.hex()])
    (tmp_path / "work.json").write_text(json.dumps(work))
    result = run(
        f"""
import json, sys
for missing in ("numba", "dahuffman", "torch"): sys.modules[missing] = None
import numpy as np
from bottleneck import codecs
for d, values, dtype, payload, decoded in json.load(open({str(tmp_path / "work.json")!r})):
    codec = codecs.from_dict(d)
    assert codec.encode(np.array(values, dtype)).hex() == payload, d["name"]
    assert codec.decode(bytes.fromhex(payload)).tobytes().hex() == decoded, d["name"]
    print(d["name"])
try: codecs.create("huffman", (2,)).fit([np.zeros(2, int)])
except ImportError as error: print(error)
"""
    )
    assert result.split("\n")[: len(work)] == list(codecs.names())
    assert "pip install dahuffman" in result


@pytest.mark.parametrize("name", codecs.names())
def test_payloads_do_not_depend_on_threads(name):
    """A codec that was fitted with one thread of torch's writes the same bytes with two, and reads them."""
    codec = fitted(name, (3, 64, 64))
    array = sample(codec, seed=1)
    payload = codec.encode(array)
    decoded = codec.decode(payload)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert codec.encode(array) == payload
        assert np.array_equal(codec.decode(payload), decoded)
    finally:
        torch.set_num_threads(threads)


def test_no_codec_needs_torch_to_code():
    """Every codec works where torch and numba are missing, but that `context` is fitted elsewhere."""
    result = run(
        """
import sys
for missing in ("numba", "torch"): sys.modules[missing] = None
import numpy as np
from bottleneck import codecs
for name in codecs.names():
    codec = codecs.create(name, (1, 2, 3))
    dtype = {"symbols": np.int32, "feature": np.float32, "pixels": np.uint8}[codec.input]
    array = np.eye(2, 3, dtype=dtype)[None]
    if name == "context":  # test_stage.py has it code without
        try:
            codec.fit([array])
        except codecs.MissingLibraryError as error:
            print("pip install 'torch'" in str(error))
        continue
    print(np.abs(codec.fit([array]).decode(codec.encode(array)).astype(float) - array).max() <= 2)
"""
    )
    assert set(result.split()) == {"True"}
