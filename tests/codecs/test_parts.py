"""Several arrays behind each other in one sample: each has a codec of its own, and all are one payload."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck import codecs

SHAPES = [(3, 4, 4), (2, 2, 2), (5,)]
quick = settings(deadline=None, max_examples=60, derandomize=True, database=None)


def samples(count, seed=0):
    """The second part has larger values than the others."""
    rng = np.random.default_rng(seed)
    scales = np.repeat([1.0, 6.0, 0.4], [np.prod(shape) for shape in SHAPES])
    return np.rint(rng.normal(0, scales, (count, scales.size))).astype(np.int32)


@pytest.fixture(scope="module")
def codec():
    return codecs.for_parts(SHAPES, "range").fit(samples(50))


def test_one_shape_is_a_plain_codec():
    """Where one tensor is sent nothing is paid for parts."""
    assert codecs.for_parts([(2, 3)], "huffman").name == "huffman"


@pytest.mark.parametrize("name", ["range", "huffman", "affine", "quantised", "rle"])
def test_each_part_costs_what_its_own_codec_does(name):
    """The payload is those of the parts' own codecs, and the length of each but the last."""
    every = samples(50)
    both = codecs.for_parts(SHAPES, name)
    if both.input == "feature":
        every = every.astype(np.float32)
    both.fit(every)
    ends = np.cumsum([np.prod(shape) for shape in SHAPES])[:-1]
    payloads, restored = [], []
    for shape, part in zip(SHAPES, np.split(every, ends, axis=1), strict=True):
        own = codecs.create(name, shape).fit(part.reshape(-1, *shape))
        payloads.append(own.encode(part[7].reshape(shape)))
        restored.append(own.decode(payloads[-1]).reshape(-1))
    payload = both.encode(every[7])
    assert len(payload) == sum(map(len, payloads)) + len(SHAPES) - 1
    np.testing.assert_array_equal(both.decode(payload), np.concatenate(restored))


def test_fit_reads_a_generator_once_and_keeps_little(codec):
    """All parts see all samples of a generator, in one pass, and few of them wait at any time."""
    alive = []

    def each():
        for sample in samples(50):
            alive.append(sample)
            yield sample

    assert codecs.for_parts(SHAPES, "range").fit(each()).to_dict() == codec.to_dict()
    assert len(alive) == 50


def test_a_sample_that_cannot_be_fitted_ends_the_fit():
    """An error of the training samples reaches the caller, and nobody waits for ever."""

    def broken():
        yield samples(1)[0]
        raise OSError("no more samples")

    with pytest.raises(OSError, match="no more samples"):
        codecs.for_parts(SHAPES, "range").fit(broken())
    with pytest.raises(ValueError, match="no arrays to fit stage 'parts'"):
        codecs.for_parts(SHAPES, "range").fit([])


def test_description_makes_an_equal_codec(codec):
    """Tables of all parts travel in one description."""
    again = codecs.from_dict(codec.to_dict())
    sample = samples(1, seed=1)[0]
    assert again.encode(sample) == codec.encode(sample)
    assert again.to_dict() == codec.to_dict()


def test_learned_tables_go_to_each_part(codec):
    """`with_tables` takes one table and one index for each part."""
    tables = [part.coder.frequencies for part in codec.coder.codecs]
    index = [part.coder.index for part in codec.coder.codecs]
    other = codecs.for_parts(SHAPES, "range").with_tables(tables, index)
    sample = samples(1, seed=2)[0]
    assert other.encode(sample) == codec.encode(sample)
    assert not codecs.for_parts(SHAPES, "huffman").takes_tables


def test_ideal_bits_are_the_sum_of_the_parts(codec):
    """Real bytes are within a byte for each part, and the lengths, of the ideal."""
    for sample in samples(20, seed=3):
        ideal = codec.ideal_bits(sample) / 8
        assert ideal <= len(codec.encode(sample)) <= ideal + 2 * len(SHAPES)


def test_parts_of_a_stream_have_a_session_each():
    """A codec that remembers earlier samples does so for every part, and begins anew in each session."""
    streams = codecs.for_parts([(3, 4, 4), (2, 2, 2)], "stream").fit(samples(40)[:, :56])
    sender, receiver, other = (streams.session() for _ in range(3))
    frames = [samples(1)[0, :56]] * 3
    payloads = [sender.encode(frame) for frame in frames]
    assert len(payloads[1]) < len(payloads[0])
    for frame, payload in zip(frames, payloads, strict=True):
        np.testing.assert_array_equal(receiver.decode(payload), frame)
    assert other.encode(frames[0]) == payloads[0]
    sender.refresh()
    assert len(sender.encode(frames[0])) > len(payloads[1])


@pytest.mark.parametrize("compressor", ["deflate", "zstd"])
@pytest.mark.parametrize("name", ["affine", "deflate", "quantised", "raw", "rle"])
def test_a_compressor_behind_parts_has_room_for_all_of_them(name, compressor):
    """Headers and what another compressor adds count, so the longest payload is decoded too."""
    stages = [{"name": "parts", "codec": {"name": name}, "shapes": [(1,)] * 8}, {"name": compressor}]
    codec = codecs.create("pipeline", (8,), stages=stages, input="feature")
    sample = np.random.default_rng(0).normal(size=8).astype(np.float32)
    np.testing.assert_allclose(codec.decode(codec.encode(sample)), sample, atol=0.1)


def test_shapes_that_are_no_parts_are_refused():
    """Parts must fill the sample."""
    with pytest.raises(ValueError, match=r"shapes=\[\(2, 2\)\] are no parts of a sample of shape \(5,\)"):
        codecs.create("parts", (5,), shapes=[(2, 2)])


@quick
@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(codec, payload):
    """Foreign bytes give a sample or a ValueError."""
    try:
        array = codec.decode(payload)
    except ValueError:
        return
    assert array.shape == codec.shape
    assert array.dtype == np.int32


@quick
@given(st.integers(0, 1000), st.data())
def test_truncated_payloads_decode_or_are_refused(codec, seed, data):
    """Every beginning of a payload gives a sample or a ValueError, never another error."""
    payload = codec.encode(samples(1, seed)[0])
    try:
        codec.decode(payload[: data.draw(st.integers(0, len(payload)))])
    except ValueError:
        return
