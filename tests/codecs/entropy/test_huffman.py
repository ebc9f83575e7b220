"""Huffman: dahuffman's codes, our escape, mutual readability, refusal of what is no payload."""

import collections
import json
import os
from pathlib import Path

import numpy as np
import pytest
from dahuffman import HuffmanCodec
from dahuffman.huffmancodec import PrefixCodec

from bottleneck import codecs
from bottleneck.codecs.entropy.huffman import ESC
from bottleneck.codecs.entropy.tables.histogram import Histogram

DATA = Path(os.environ.get("BOTTLENECK_TEST_DATA", ""), "spic")


def geometric(shape, seed=0, p=0.5):
    return (np.random.default_rng(seed).geometric(p, shape) - 1).astype(np.int32)


def with_histogram(shape, histogram):
    codec = codecs.create("huffman", shape)
    codec.coder.fit_histogram(histogram)
    codec.coder.has_tables = True
    return codec


def expected_bits(codec, counts):
    """Bits of symbols that occur so often, by the table's lengths and an escape's 32 more."""
    table = codec.coder.dahuffman_table()
    escape = table[ESC][0] + 32
    return sum(n * (table[symbol][0] if symbol in table else escape) for symbol, n in counts.items())


def fibonacci(n):
    """Counts whose smoothed Huffman tree is as deep as it can be: one symbol per level."""
    counts = [2, 3]
    while len(counts) < n:
        counts.append(counts[-1] + counts[-2])
    return Histogram(0, np.array(counts[:n]) - 1)


def small():
    """A table to check by hand: 0 is 1, 1 is 01, ESC is 001, EOF is 000."""
    return codecs.create("huffman", (2, 3)).fit([np.array([[0, 0, 0], [0, 1, 1]])])


def test_golden_bytes():
    """Codes are MSB first; ESC is followed by the symbol's 32 bits; EOF's first bits fill the last byte."""
    codec = small()
    assert [*codec.coder.dahuffman_table().values()] == [(1, 1), (2, 1), (3, 1), (3, 0)]
    # 1 01 1 1 1 01
    assert codec.encode(np.array([[0, 1, 0], [0, 0, 1]])).hex() == "bd"
    # 1 01 1 1 001 (-1: 32 ones) 01 | 000 000 of EOF
    assert codec.encode(np.array([[0, 1, 0], [0, -1, 1]])).hex() == "b9ffffffff40"
    # 1 1 1 1 1 1 | 00 of EOF
    assert codec.encode(np.zeros((2, 3), int)).hex() == "fc"


@pytest.mark.parametrize(
    ("name", "pixels", "bpp"),
    [
        ("classification_s1_0", 224 * 224, 0.0873),
        ("classification_s3_0", 224 * 224, 0.2134),
        ("segmentation_s3_0", 513 * 513, 0.1270),
    ],
)
@pytest.mark.skipif(not DATA.is_dir(), reason="set BOTTLENECK_TEST_DATA to the folder that has spic/")
def test_golden_rates_of_the_released_operating_points(name, pixels, bpp):
    """The authors' symbol counts give the authors' bits per pixel; their symbols survive the trip."""
    given = json.loads((DATA / f"{name}_counts.json").read_text())["counts"]
    counts = {int(symbol): n for symbol, n in given.items()}
    low = min(0, *counts)
    dense = [counts.get(symbol, 0) for symbol in range(low, max(0, *counts) + 1)]
    symbols = np.load(DATA / f"{name}_golden.npz")["symbols"]
    codec = with_histogram(symbols.shape[1:], Histogram(low, dense))
    bits = expected_bits(codec, counts) / sum(counts.values())
    assert round(bits * symbols[0].size / pixels, 4) == bpp
    for sample in symbols:
        assert np.array_equal(codec.decode(codec.encode(sample)), sample)


@pytest.mark.parametrize("seed", range(5))
def test_dahuffman_reads_our_streams_and_we_read_its(seed):
    """Without escapes the payload is dahuffman's byte for byte, whatever its length modulo 8."""
    for size in range(1, 12):
        training, symbols = geometric(60, seed), geometric(size, seed + 100, p=0.7)
        symbols = np.minimum(symbols, training.max())
        codec = with_histogram((size,), Histogram.fit([training]))
        theirs = PrefixCodec(codec.coder.dahuffman_table())
        payload = theirs.encode(symbols.tolist())
        assert codec.encode(symbols) == payload
        assert theirs.decode(codec.encode(symbols)) == symbols.tolist()
        assert np.array_equal(codec.decode(payload), symbols)


def test_table_is_the_one_dahuffman_builds():
    """Lengths and codes are those of dahuffman for the smoothed counts, escape and EOF."""
    histogram = Histogram.fit([geometric(500) - 3])
    frequencies = dict(zip(range(-3, histogram.high + 1), histogram.smoothed.tolist(), strict=True)) | {
        ESC: 1
    }
    table = with_histogram((1,), histogram).coder.dahuffman_table()
    assert table == HuffmanCodec.from_frequencies(frequencies).get_code_table()


def test_equal_counts_give_one_table():
    """Ties are broken the same way however the counts arrive."""
    symbols = [3, 1, 2, 0, -1]
    tables = [codecs.create("huffman", (5,)).fit([order]).to_dict() for order in (symbols, symbols[::-1])]
    assert tables[0] == tables[1]
    lengths, codes = tables[0]["tables"]["lengths"], tables[0]["tables"]["codes"]
    assert lengths == [3, 3, 3, 2, 2, 4, 4]
    assert codes == [0b101, 0b110, 0b111, 0b00, 0b01, 0b1001, 0b1000]


@pytest.mark.parametrize("symbol", [0, 5, -7])
def test_one_symbol_alphabet_costs_one_bit(symbol):
    """A table fitted on one symbol gives it a 1-bit code, and still codes all others."""
    codec = codecs.create("huffman", (16,)).fit([np.full(16, symbol)] * 30)
    assert codec.coder.dahuffman_table()[symbol][0] == 1
    assert len(codec.encode(np.full(16, symbol))) == 2
    other = np.arange(16) - 9
    assert np.array_equal(codec.decode(codec.encode(other)), other)


def test_unseen_symbols_take_the_escape_and_32_bits():
    """Any int32 is coded: outside the table it costs the escape's code and 32 bits."""
    codec = small()
    for symbol in (2, -1, 100, -(2**31), 2**31 - 1, -(2**16)):
        symbols = np.array([[0, symbol, 1], [symbol, symbol, 0]])
        payload = codec.encode(symbols)
        assert len(payload) == -(-(1 + 2 + 1 + 3 * (3 + 32)) // 8)
        assert np.array_equal(codec.decode(payload), symbols)


@pytest.mark.parametrize("n", [14, 35, 54])
def test_long_codes(n):
    """Codes beyond the lookup (12 bits), beyond a word (31), and the longest (56) round-trip."""
    codec = with_histogram((3 * n,), fibonacci(n))
    symbols = np.concatenate(
        [np.arange(n), np.arange(n)[::-1], np.random.default_rng(0).integers(-1, n + 1, n)]
    )
    assert max(length for length, _ in codec.coder.dahuffman_table().values()) == n + 1
    assert np.array_equal(codec.decode(codec.encode(symbols)), symbols)
    known = np.clip(symbols, 0, n - 1)
    assert codec.encode(known) == PrefixCodec(codec.coder.dahuffman_table()).encode(known.tolist())


def test_too_skewed_counts_are_refused():
    """Counts that would need a code beyond 56 bits are refused with the way out."""
    with pytest.raises(ValueError, match=r"code of 57 bits is longer than 56.*Divide them"):
        with_histogram((1,), fibonacci(56))


def test_size_is_the_expected_bits_rounded_up_to_bytes():
    """The lengths of a sample's symbols predict its payload exactly, escapes included."""
    codec = codecs.create("huffman", (40,)).fit([geometric(40, seed) for seed in range(9)])
    for seed in range(20, 30):
        symbols = geometric(40, seed, p=0.2) * (1 if seed % 2 else -1)
        symbols[:1] = 2**20
        bits = expected_bits(codec, collections.Counter(symbols.tolist()))
        assert len(codec.encode(symbols)) == -(-bits // 8)


def test_payloads_are_above_the_entropy_and_near_it():
    """Over the training samples, bytes are no fewer than the entropy and the ideal, and at most 4 % more."""
    samples = geometric((50, 1024), p=0.4)
    codec = codecs.create("huffman", (1024,)).fit(samples)
    bits = sum(8 * len(codec.encode(sample)) for sample in samples)
    assert samples.size * codec.coder.histogram.entropy() <= codec.coder.histogram.ideal_bits(samples) <= bits
    assert bits < 1.04 * samples.size * codec.coder.histogram.entropy()


def test_sample_costs_the_same_in_any_company():
    """A payload depends on the sample and the table only."""
    codec = codecs.create("huffman", (50,)).fit([geometric(50)])
    samples = geometric((7, 50), seed=3)
    together = [codec.encode(sample) for sample in samples]
    assert together[3] == codecs.from_dict(codec.to_dict()).encode(samples[3])


def test_too_short_and_too_long_payloads_are_refused():
    """Every prefix of a payload is too short, and every whole byte after it is too many."""
    codec = codecs.create("huffman", (60,)).fit([geometric(60)])
    payload = codec.encode(np.append(geometric(59, 1), -5))
    for end in range(1, len(payload)):
        with pytest.raises(ValueError, match=rf"payload of {end} bytes ends at symbol \d+ of 60"):
            codec.decode(payload[:end])
    for tail in (b"\0", b"\xff", bytes(9)):
        with pytest.raises(ValueError, match=rf"has {len(payload + tail)} bytes where its 60 symbols take"):
            codec.decode(payload + tail)


def test_eof_before_the_last_symbol_is_refused():
    """A stream that says it ends before all symbols are there is refused, not read on."""
    for rest in (b"", b"\xff", bytes(8), b"\xff" * 8):  # 8: as long as a symbol after an escape would be
        with pytest.raises(ValueError, match="ends at symbol 2 of 6, or has no code there"):
            small().decode(bytes([0b11000111]) + rest)


def test_padding_must_be_the_first_bits_of_eof():
    """The rest of the last byte is dahuffman's: first bits of EOF, then zeros; else it is damage."""
    codec = small()
    assert codec.decode(b"\xfc").tolist() == [[0, 0, 0], [0, 0, 0]]
    for last in (0xFD, 0xFE, 0xFF):
        with pytest.raises(ValueError, match=rf"last byte 0x{last:02x} is not padded with EOF"):
            codec.decode(bytes([last]))


def test_empty_sample_is_one_byte():
    """A sample without elements is what any empty payload is."""
    codec = codecs.create("huffman", (0, 4)).fit([np.zeros((0, 4), int)])
    assert codec.encode(np.zeros((0, 4), int)) == b"\0"
    assert codec.decode(b"\0").shape == (0, 4)


def test_bits_that_no_code_has_are_refused():
    """With an incomplete table (a foreign one), bits without a code are refused."""
    d = small().to_dict()
    d["tables"] |= {"lengths": [2, 2, 3, 13], "codes": [0, 1, 4, 4096 + 2048]}
    codec = codecs.from_dict(d)
    with pytest.raises(ValueError, match="ends at symbol 1 of 6, or has no code there"):
        codec.decode(bytes([0b00101000, 0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lengths": [1, 2, 3]}, "lengths and codes; got 3 and 4"),
        ({"lengths": [1, 1], "codes": [0, 1]}, "3 or more"),
        ({"lengths": [1, 2, 3, 0]}, "code 0 at index 3 does not fit its 0 bits"),
        ({"lengths": [1, 2, 3, 57]}, "code of 57 bits"),
        ({"codes": [1, 4, 1, 0]}, "code 4 at index 1 does not fit its 2 bits"),
        ({"codes": [1, -1, 1, 0]}, "code -1 at index 1 does not fit"),
        ({"codes": [1, 1, 0, 0]}, "starts another or is started by one"),
        ({"codes": [0, 1, 1, 0]}, "starts another or is started by one"),
        ({"lengths": [3, 3, 1, 3], "codes": [0, 2, 0, 7]}, "starts another or is started by one"),
        ({"codes": "abcd"}, "not a description"),
        ({"lengths": None}, "not a description"),
        (
            {"histogram": {"low": 0, "counts": [1, 2, 3], "n_outside": 0}},
            "table has 2 symbols, its histogram 3",
        ),
    ],
)
def test_damaged_table_is_refused(change, message):
    """A table that is no prefix code is refused when it is loaded, so that decoding is safe."""
    d = small().to_dict()
    d["tables"] |= change
    with pytest.raises(ValueError, match=message):
        codecs.from_dict(d)
