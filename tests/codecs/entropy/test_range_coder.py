"""Range coder: bytes against the ideal, the ending, refusal of foreign bytes, tables in a description."""

import contextlib
import json
import math

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck import codecs
from bottleneck.codecs.entropy.tables.frequencies import TOTAL, FrequencyTables
from bottleneck.codecs.entropy.tables.histogram import Histogram
from bottleneck.codecs.jit import Loop


def range_coder(shape):
    return codecs.create("range", shape)


def geometric(shape, p=0.5, seed=0):
    return (np.random.default_rng(seed).geometric(p, shape) - 1).astype(np.int32)


def small():
    """A table to check by hand: frequencies near 17/27, 9/27 and 1/27 of 2^24 for 0, 1 and the escape."""
    return range_coder((2, 3)).fit([np.array([[0, 0, 0], [0, 1, 1]])] * 4)


def with_table(shape, frequencies, low=0):
    tables = {"low": low, "frequencies": frequencies}
    return codecs.from_dict({"name": "range", "shape": shape, "options": {}, "tables": tables})


def outcome(codec, payload):
    """What decode makes of any bytes: symbols, or the text of its ValueError."""
    try:
        return codec.decode(payload).tolist()
    except ValueError as error:
        return str(error)


# Bytes -----------------------------------------------------------------------------------------


def test_golden_bytes():
    """Pinned payloads: a zero byte for the likeliest sample, an escape with 32 bits, a long one."""
    codec = small()
    assert codec.to_dict()["tables"] == {"low": 0, "frequencies": [[10563432, 5592405, 621379]]}
    for symbols, payload in [
        ([0, 0, 0, 0, 0, 0], "00"),
        ([0, 1, 0, 0, 0, 1], "6e"),
        ([1, 1, 1, 1, 1, 1], "f173"),
        ([0, 1, 0, 0, -1, 1], "7ac964c35a"),
        ([0, 0, 0, 0, 0, 2**31 - 1], "18dcd80943"),
        ([2] * 6, "f684bd001c17e2f08d815dcebd5c91740b88def8fd26cd9bbead7c83"),
    ]:
        array = np.reshape(symbols, (2, 3))
        assert codec.encode(array).hex() == payload
        assert np.array_equal(codec.decode(bytes.fromhex(payload)), array)


def test_golden_bytes_of_one_table_per_channel():
    """Each channel is coded with its own table."""
    codec = with_table([2, 4], [[TOTAL - 200, 100, 100], [100, TOTAL - 200, 100]])
    assert codec.encode([[0, 0, 0, 0], [1, 1, 1, 1]]) == b"\0"
    assert codec.decode(b"\0").tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]
    payload = codec.encode([[0, 1, 0, 0], [1, 1, 1, 0]])
    assert payload.hex() == "fffed3fea1"
    assert codec.decode(payload).tolist() == [[0, 1, 0, 0], [1, 1, 1, 0]]


@pytest.mark.parametrize("seed", range(20))
def test_payload_is_the_shortest_number_in_the_interval(seed):
    """In whole numbers of any size, where nothing carries: none is shorter or smaller; longer is refused."""
    codec = range_coder((24,)).fit(geometric((5, 24), 0.6) + 1)
    array = geometric(24, 0.6, seed) + 1 - (seed % 3 == 0)
    low, width, unit = 0, 1 << 56, 1 << 56
    for start, frequency in zip(
        *(part.tolist() for part in codec.coder.frequencies.steps(array, codec.coder.index.reshape(-1))),
        strict=True,
    ):
        low, width = low + (width >> 24) * start, (width >> 24) * frequency
        while width < 1 << 48:
            low, width, unit = low << 8, width << 8, unit << 8
    payload = codec.encode(array)
    number, place = int.from_bytes(payload), unit >> 8 * len(payload)
    assert low <= number * place < low + width
    assert (number - 1) * place < low
    assert payload == b"\0" or -(-low // (place << 8)) * (place << 8) >= low + width
    longer = -(-low // (place >> 8))
    with pytest.raises(ValueError, match="is not how its 24 symbols are written"):
        codec.decode(longer.to_bytes(len(payload) + 1))


# Length ----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(
    size=st.sampled_from([0, 1, 16, 512, 3000]),
    likely=st.sampled_from([0.02, 0.5, 0.9, 0.999, 1 - 1e-6]),
    n_rare=st.integers(1, 40),
    seed=st.integers(0, 2**32),
)
def test_no_payload_exceeds_its_ideal_bits_rounded_up_to_bytes(size, likely, n_rare, seed):
    """For any size and skew, bytes of each sample are at most the ideal of the unrounded counts, plus 1."""
    counts = np.full(n_rare + 1, max(1, round(10**9 * (1 - likely) / n_rare)))
    counts[0] = round(10**9 * likely)
    codec = range_coder((size,))
    codec.with_tables(FrequencyTables.from_weights(0, np.append(counts, 1)[None] * 1.0))
    rng = np.random.default_rng(seed)
    symbols = rng.choice(counts.size, size, p=counts / counts.sum())
    ideal = Histogram(0, counts - 1).ideal_bits(symbols) / 8
    payload = codec.encode(symbols)
    assert np.array_equal(codec.decode(payload), symbols)
    assert len(payload) <= max(1, math.ceil(codec.ideal_bits(symbols) / 8 + 1e-9))
    assert len(payload) <= ideal * 1.001 + 1


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.9, 0.999, 0.99999])
@pytest.mark.parametrize("size", [1, 16, 512, 200_704])
def test_mean_payload_is_within_one_percent_and_a_byte_of_the_ideal(size, p):
    """Fitted on one set and measured on another, at the sizes of real latents and at every skew."""
    training, samples = geometric((5, size), p, 1), geometric((max(2, 2000 // size), size), p, 2)
    codec = range_coder((size,)).fit(training)
    ideal = np.mean([Histogram.fit(training).ideal_bits(sample) for sample in samples]) / 8
    assert np.mean([len(codec.encode(sample)) for sample in samples]) <= 1.01 * ideal + 1


def test_sparse_latent_costs_what_the_issue_asks():
    """A latent of 512 symbols that holds 17.5 bytes takes 18 on average, where Huffman cannot go under 64."""
    rng = np.random.default_rng(0)
    samples = (rng.random((400, 32, 4, 4)) < 0.034) * rng.geometric(0.6, (400, 32, 4, 4))
    codec, huffman = range_coder((32, 4, 4)).fit(samples), codecs.create("huffman", (32, 4, 4)).fit(samples)
    ideal = np.mean([codec.ideal_bits(sample) for sample in samples]) / 8
    assert ideal == pytest.approx(17.5, abs=0.5)
    assert np.mean([len(codec.encode(sample)) for sample in samples]) < ideal + 0.5
    assert np.mean([len(huffman.encode(sample)) for sample in samples]) > 64


@pytest.mark.parametrize("size", [1, 16, 512, 20_000])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.97])
def test_no_longer_than_constriction(size, p):
    """With the same model, bytes are at most constriction's, whose words of 4 bytes cost up to 8 more."""
    codec = range_coder((size,)).fit(geometric((9, size), p, 1))
    symbols = np.minimum(geometric(size, p, 2), codec.coder.frequencies.n_symbols - 1)
    oracle = constriction.stream.queue.RangeEncoder()
    model = constriction.stream.model.Categorical(
        codec.coder.frequencies.frequencies[0] / TOTAL, perfect=False
    )
    oracle.encode(symbols, model)
    theirs = oracle.get_compressed().nbytes
    assert theirs - 8 <= len(codec.encode(symbols)) <= theirs


def test_likeliest_samples_are_one_byte_and_an_empty_sample_too():
    """A zero byte is sent where the tables say it all."""
    codec = range_coder((16,)).fit([np.arange(16) // 15 - 3] * 1000)
    assert codec.encode(np.full(16, -3)) == b"\0"
    assert codec.decode(b"\0").tolist() == [-3] * 16
    empty = range_coder((0, 4)).fit([np.zeros((0, 4), int)])
    assert empty.encode(np.zeros((0, 4), int)) == b"\0"
    assert empty.decode(b"\0").shape == (0, 4)


def test_unseen_symbols_take_an_escape_and_32_bits():
    """Any int32 is coded: outside the training range it costs the escape's share and 4 bytes."""
    codec = range_coder((50,)).fit([geometric(50)] * 20)
    plain = geometric(50)
    for symbol in (plain.max() + 1, -1, 100, -(2**31), 2**31 - 1):
        symbols = np.append(plain[1:], symbol)
        payload = codec.encode(symbols)
        assert np.array_equal(codec.decode(payload), symbols)
        assert len(payload) - len(codec.encode(plain)) <= 4 + math.log2(1100) / 8 + 1


def test_carries_run_through_long_rows_of_ones():
    """Samples at the upper edge of intervals, whose bytes are rows of 0xff, come back."""
    codec = with_table([400], [[1, TOTAL - 3, 1, 1]])
    rng = np.random.default_rng(0)
    for _ in range(50):
        symbols = np.full(400, 1)
        symbols[rng.integers(0, 400, 3)] = rng.integers(0, 4, 3)
        assert np.array_equal(codec.decode(codec.encode(symbols)), symbols)
    symbols = np.full(400, 2)
    symbols[-1] = 3
    assert codec.encode(symbols).count(0xFF) > 300
    assert np.array_equal(codec.decode(codec.encode(symbols)), symbols)


# Refusal ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=300, derandomize=True, database=None)
@given(payload=st.binary(max_size=9))
def test_accepted_bytes_are_exactly_what_encode_writes(payload):
    """Whatever decodes is the one payload of its symbols; all else is refused."""
    codec = small()
    with contextlib.suppress(ValueError):
        symbols = codec.decode(payload)
        assert codec.encode(symbols) == payload


def test_trailing_zeros_and_whole_bytes_too_many_are_refused():
    """What the decoder would imply must not be sent, and nothing may follow the last byte."""
    codec = small()
    payload = codec.encode([[0, 1, 0], [0, 0, 1]])
    for tail in (b"\0", b"\0\0\0", b"\xff", b"\1" * 9, bytes(100_000)):
        with pytest.raises(ValueError, match="is not how its 6 symbols are written"):
            codec.decode(payload + tail)


def test_escaped_symbol_that_has_a_frequency_is_refused():
    """A symbol of the table is never written as an escape."""
    codec = with_table([1], [[TOTAL // 2, TOTAL // 2]], low=5)
    escape_of_5, escape_of_7 = (((1 << 32 | symbol) << 7).to_bytes(5) for symbol in (5, 7))
    assert codec.encode([7]) == escape_of_7
    with pytest.raises(ValueError, match="points to no symbol at 0 of 1"):
        codec.decode(escape_of_5)


def test_number_beyond_all_intervals_is_refused():
    """Rounding leaves a gap at the top of an interval that no sample uses."""
    for frequencies in ([TOTAL - 12345, 12345], [12345, TOTAL - 12346, 1]):  # after an escape, in a symbol
        with pytest.raises(ValueError, match="points to no symbol"):
            with_table([9], [frequencies]).decode(b"\xff" * 60)


# Tables ----------------------------------------------------------------------------------------


def test_ideal_bits_are_those_of_the_smoothed_counts():
    """With one table, the ideal is the histogram's to a hundred-thousandth, escapes included."""
    training, symbols = geometric((20, 300)), geometric(300, seed=5)
    symbols[:3] = -7, 2**31 - 1, 10**6
    codec = range_coder((300,)).fit(training)
    huffman = codecs.create("huffman", (300,)).fit(training)
    assert huffman.ideal_bits(symbols) == Histogram.fit(training).ideal_bits(symbols)
    assert codec.ideal_bits(symbols) == pytest.approx(huffman.ideal_bits(symbols), rel=1e-5)


def test_ideal_bits_need_tables():
    """Without `fit` there is no ideal either."""
    with pytest.raises(RuntimeError, match="before ideal_bits"):
        range_coder((3,)).ideal_bits([0, 1, 2])


def test_channels_with_different_symbols_get_tables_of_their_own():
    """Where channels differ, payloads are shorter than with one table, and the description stays small."""
    offset = np.arange(16)[:, None] * 3
    samples = geometric((200, 16, 16)) + offset
    codec, alike = range_coder((16, 16)).fit(samples), range_coder((256,)).fit(samples.reshape(200, 256))
    assert (codec.coder.frequencies.n_tables, alike.coder.frequencies.n_tables) == (16, 1)
    sample = (geometric((16, 16), seed=9) + offset).astype(np.int32)
    assert len(codec.encode(sample)) < 0.45 * len(alike.encode(sample.reshape(-1)))
    assert np.array_equal(codec.decode(codec.encode(sample)), sample)
    assert len(json.dumps(codec.to_dict())) < 9 * codec.coder.frequencies.frequencies.size + 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": 0.5}, "not a description of frequency tables"),
        ({"low": 2**15}, "within -32768 .. 32767"),
        ({"frequencies": None}, "rows of integers"),
        ({"frequencies": []}, "rows of integers"),
        ({"frequencies": [[TOTAL]]}, "rows of integers"),
        ({"frequencies": [[0.5, 0.5]]}, "rows of integers"),
        ({"frequencies": [[1, 2], [3]]}, "not a description of frequency tables"),
        ({"frequencies": [[TOTAL, 1]]}, "1 or more and sum to 16777216"),
        ({"frequencies": [[TOTAL, 0]]}, "1 or more and sum"),
        ({"frequencies": [[TOTAL + 1, -1]]}, "1 or more and sum"),
        ({"frequencies": [[2**64, 1]]}, "rows of integers"),
        ({"frequencies": [[TOTAL - 1, 1]] * 3}, r"3 tables where shape \(2, 3\) takes 1, or one per channel"),
        ({"frequencies": [[TOTAL - 66000, *[1] * 66000]]}, "at most 65536 symbols"),
        ({"low": -9, "frequencies": [[TOTAL - 32770, *[1] * 32770]] * 2}, "at most 65536 .* 2 times 32770"),
    ],
)
def test_damaged_table_is_refused(change, message):
    """Frequencies that are none are refused when they are loaded, so that decoding is safe."""
    d = small().to_dict()
    d["tables"] |= change
    with pytest.raises(ValueError, match=message):
        codecs.from_dict(d)


@pytest.mark.parametrize(
    "index",
    [0, [0, 1], [[0, 1, 1], [1, 0, 0]], [[[0, 1]] * 3, [[1, 0]] * 3]],
    ids=["one", "channel", "row", "each"],
)
def test_tables_from_elsewhere_are_used_as_the_index_says(index):
    """One table for all, one per channel, per row or per element: bytes, ideal and description follow it."""
    tables = {"low": -1, "frequencies": [[TOTAL - 40, 20, 10, 10], [10, 20, 10, TOTAL - 40]]}
    codec = range_coder((2, 3, 2)).with_tables(tables, index)
    which = np.broadcast_to(np.reshape(index, (*np.shape(index), *[1] * (3 - np.ndim(index)))), (2, 3, 2))
    likeliest = np.where(which == 0, -1, 77)  # an escape is likely where table 1 is
    array = np.where(which == 0, -1, 0)
    assert codec.decode(codec.encode(array)).tolist() == array.tolist()
    ideal = sum(
        24 - math.log2(tables["frequencies"][t][s + 1]) for t, s in zip(which.flat, array.flat, strict=True)
    )
    assert codec.ideal_bits(array) == pytest.approx(ideal)
    assert len(codec.encode(array)) == math.ceil(ideal / 8) or ideal < 8
    assert np.array_equal(codec.decode(codec.encode(likeliest)), likeliest)
    copy = codecs.from_dict(json.loads(json.dumps(codec.to_dict())))
    assert copy.encode(array) == codec.encode(array)
    assert copy.to_dict() == codec.to_dict()


def test_one_index_written_in_several_ways_gives_the_same_bytes():
    """A table for each channel is the same whether the index names channels or elements, or is left out."""
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 1000, (4, 6)).astype(float)
    tables, array = FrequencyTables.from_weights(-1, rows), rng.integers(-3, 6, (4, 5, 5))
    by_channel, each = np.arange(4), np.arange(4)[:, None, None].repeat(5, 1).repeat(5, 2)
    payloads = {
        range_coder((4, 5, 5)).with_tables(tables, index).encode(array) for index in (None, by_channel, each)
    }
    assert len(payloads) == 1


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (2, "index of tables goes from 2 to 2; there are tables 0 to 1"),
        (-1, "goes from -1 to -1"),
        ([0, 1, 0], r"index of tables is int64 of shape \(3,\)"),
        ([0.0, 1.0], "index of tables is float64"),
        ([[[[0]]]], r"shape \(1, 1, 1, 1\)"),
    ],
)
def test_index_of_no_table_is_refused(index, message):
    """An index says a table of those given for the first axes of the sample, or it is refused."""
    tables = {"low": 0, "frequencies": [[TOTAL - 1, 1], [TOTAL - 2, 2]]}
    with pytest.raises(ValueError, match=message):
        range_coder((2, 3, 2)).with_tables(tables, index)


def test_index_of_each_element_belongs_to_one_shape():
    """A codec with a table number for each element is not reshaped, and one per channel is."""
    tables = {"low": 0, "frequencies": [[TOTAL - 1, 1], [TOTAL - 2, 2]]}
    each = range_coder((2, 2)).with_tables(tables, [[0, 1], [1, 1]])
    with pytest.raises(ValueError, match="index of tables"):
        each.reshaped((2, 4))
    assert range_coder((2, 2)).with_tables(tables, [1, 0]).reshaped((2, 4)).fitted


@settings(deadline=None, max_examples=30, derandomize=True, database=None)
@given(data=st.data())
def test_any_tables_and_index_give_equal_bytes_compiled_and_interpreted(data):
    """Whatever the tables and the index, samples come back, and both ways of running agree on every byte."""
    shape = data.draw(st.sampled_from([(3,), (2, 3), (2, 2, 2), (0, 4), ()]))
    n_tables, n_symbols = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    tables = FrequencyTables.from_weights(-1, rng.random((n_tables, n_symbols + 1)) ** 8)
    index = rng.integers(0, n_tables, shape[: data.draw(st.integers(0, len(shape)))])
    codec = codecs.create("range", shape).with_tables(tables, index)
    array = rng.integers(-3, 6, shape)
    foreign = data.draw(st.binary(min_size=1, max_size=9))
    compiled = codec.encode(array), outcome(codec, foreign)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "__call__", Loop.py_func)
        assert (codec.encode(array), outcome(codec, foreign)) == compiled
        assert np.array_equal(codec.decode(compiled[0]), array)
    assert np.array_equal(codec.decode(compiled[0]), array)
