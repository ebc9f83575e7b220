"""Run-length coding: the quantizer, the paper's worked codewords, sizes, fallback, refusal."""

import numpy as np
import pytest

from bottleneck import codecs
from bottleneck.codecs.entropy.bitstreams.runs import Runs

TINY = float(np.finfo(np.float32).tiny)


def rle(shape, bits):
    return codecs.create("rle", shape, bits=bits)


def relu(shape, seed=0, zeros=0.5):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < zeros, 0, rng.random(shape)).astype(np.float32)


def as_bytes(codewords):
    text = "".join(codewords)
    return bytes(int(text[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(text), 8))


def test_worked_message():
    """The worked message: prefix, body and reconstruction."""
    codec = rle((9,), 2)
    x = np.array([0, 0, 1.4, 3, 0, 0.2, 0, 0, 0], np.float32)
    payload = codec.encode(x)
    assert payload.hex() == "0000000000004040a5f8"
    assert codec.decode(payload).tolist() == [0, 0, 1, 3, 0, 0, 0, 0, 0]


# The quantizer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 17))
def test_symbols_and_values_follow_the_formula(bits):
    """Symbols q are floor((x-m)/(M-m)(2^n-1) + 0.5), values m + q(M-m)/(2^n-1), both ends exact."""
    x = np.random.default_rng(bits).normal(size=(3, 50)).astype(np.float32)
    m, M = float(x.min()), float(x.max())
    top = 2**bits - 1
    q = np.floor((x.astype(np.float64) - m) / (M - m) * top + 0.5)
    codec = rle(x.shape, bits)
    payload, decoded = codec.encode(x), codec.decode(codec.encode(x))
    if np.frombuffer(payload, "<f4", 2)[0] < np.frombuffer(payload, "<f4", 2)[1]:
        assert payload[8:] == Runs(q.ravel().astype(np.uint16), bits).codewords()
    else:
        assert payload[8:] == as_bytes([f"{int(symbol):0{bits}b}" for symbol in q.ravel()])
    assert np.array_equal(decoded, np.minimum(m + q * (M - m) / top, M).astype(np.float32))
    assert decoded.min() == decoded[x == x.min()] == x.min()
    assert decoded.max() == decoded[x == x.max()] == x.max()
    error = np.abs(decoded.astype(np.float64) - x).max()
    assert error <= (M - m) / (2 * top) + np.spacing(np.float32(max(-m, M)))


@pytest.mark.parametrize("bits", [1, 2, 7, 16])
def test_value_halfway_rounds_up(bits):
    """Ties go to the larger symbol, as in the formula."""
    top = 2**bits - 1
    x = np.array([0, 2 * top, 1], np.float32)
    assert rle((3,), bits).decode(rle((3,), bits).encode(x)).tolist() == [0, 2 * top, 2]


@pytest.mark.parametrize("bits", [1, 3, 16])
def test_quantised_values_are_a_fixed_point(bits):
    """Coding the decoded values again gives the same payload: the loss happens once."""
    codec = rle((4, 33), bits)
    payload = codec.encode(relu((4, 33)) - 0.125)
    assert codec.encode(codec.decode(payload)) == payload


def test_whole_float32_range():
    """The largest possible range neither overflows nor leaves float32."""
    largest = np.finfo(np.float32).max
    x = np.array([-largest, largest, 0, 1], np.float32)
    decoded = rle((4,), 8).decode(rle((4,), 8).encode(x))
    assert np.isfinite(decoded).all()
    assert (decoded[0], decoded[1]) == (-largest, largest)


def test_exact_zeros_of_a_relu_stay_exact():
    """Where the minimum is 0, zeros come back as 0."""
    x = relu((5, 6, 7))
    decoded = rle(x.shape, 4).decode(rle(x.shape, 4).encode(x))
    assert (decoded[x == 0] == 0).all()


@pytest.mark.parametrize("value", [0.0, -0.0, 3.5, -1e30, 1e-42])
def test_constant_tensor_is_its_prefix(value):
    """A constant tensor has an empty body and comes back constant."""
    codec = rle((2, 5), 4)
    payload = codec.encode(np.full((2, 5), value, np.float32))
    assert payload == np.array([value, value], "<f4").tobytes().replace(b"\0\0\0\x80", bytes(4))
    assert codec.decode(payload).tolist() == np.full((2, 5), np.float32(value)).tolist()


def test_subnormal_range_is_constant():
    """A range below float32's normal numbers counts as none: every value decodes to the minimum."""
    codec = rle((3,), 4)
    x = np.array([1.0, 1.0, 1.0], np.float32) * np.array([0, TINY / 2, TINY / 4], np.float32)
    payload = codec.encode(x)
    assert len(payload) == 8
    assert codec.decode(payload).tolist() == [0, 0, 0]
    assert len(codec.encode(np.array([0, TINY, 0], np.float32))) > 8


def test_empty_tensor_is_its_header():
    """A tensor without elements is eight bytes."""
    codec = rle((0, 3), 4)
    assert codec.encode(np.zeros((0, 3))) == bytes(8)
    assert codec.decode(bytes(8)).shape == (0, 3)


def test_float16_is_promoted_first():
    """A float16 tensor gives the payload of the same values in float32."""
    x = relu((6, 6)).astype(np.float16)
    assert rle((6, 6), 5).encode(x) == rle((6, 6), 5).encode(x.astype(np.float32))


@pytest.mark.parametrize("bits", [0, 17, -1, 4.0, True, "4", None])
def test_bits_are_1_to_16(bits):
    """Another width is refused by value."""
    with pytest.raises(ValueError, match=r"bits=.* is not an integer from 1 to 16"):
        rle((1,), bits)


# Sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8, 16])
@pytest.mark.parametrize("zeros", [0, 0.3, 0.5, 0.9, 1])
def test_size_is_exact(bits, zeros):
    """The predictor equals the length of the payload, and never exceeds plain packing."""
    x = relu((3, 17, 9), zeros=zeros)
    codec = rle(x.shape, bits)
    assert codec.coder.size(x) == len(codec.encode(x)) <= 8 + -(-x.size * bits // 8)


def expected_bits(zeros, bits):
    """Bits per symbol of codewords where each symbol is 0 independently, by the specification."""
    return (bits + 1) * (1 - zeros) * (1 + zeros / (1 - zeros ** (1 << bits)))


@pytest.mark.parametrize(("zeros", "bits"), [(0.8, 2), (0.6, 3), (0.9, 4), (0.45, 8)])
def test_independent_zeros_cost_what_the_model_says(zeros, bits):
    """A million simulated coefficients take the expected bits, within 1 %."""
    rng = np.random.default_rng(0)
    symbols = np.where(rng.random(10**6) < zeros, 0, rng.integers(1, 2**bits, 10**6))
    symbols[:2] = 0, 2**bits - 1
    size = rle((10**6,), bits).coder.size(symbols.astype(np.float32))
    assert size * 8e-6 == pytest.approx(expected_bits(zeros, bits), rel=0.01)


def test_zero_fraction_counts_symbols_zero():
    """The share is of symbols after quantization, so small values count as zeros."""
    assert rle((4,), 2).zero_fraction(np.array([0, 0.4, 3, 3])) == 0.5
    assert rle((4,), 8).zero_fraction(np.array([0, 0.4, 3, 3])) == 0.25
    assert rle((4,), 8).zero_fraction(np.full(4, 7.0)) == 1
    assert rle((0,), 8).zero_fraction(np.zeros(0)) == 0


def test_tensor_without_runs_is_packed_behind_a_swapped_prefix():
    """Where codewords would be longer than plain n-bit packing, the prefix is max, min."""
    x = np.array([0, 1, 2, 3, 3, 2, 1, 2], np.float32)
    payload = rle((8,), 2).encode(x)
    assert payload.hex() == "00004040000000001bf9".replace("1bf9", f"{0b0001101111100110:04x}")
    assert rle((8,), 2).decode(payload).tolist() == x.tolist()


def test_equal_sizes_stay_run_length():
    """At equal length the codewords are kept, so that only a gain is signalled."""
    x = np.array([0, 1, 1], np.float32)  # 3 codewords of 2 bits, or 3 values of 1 bit: one byte each
    assert rle((3,), 1).encode(x).hex() == f"000000000000803f{0b10010100:02x}"


# A number of bytes ------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [60, 100, 200, 300, 2000])
def test_adaptive_takes_the_largest_number_of_bits_that_fits(limit):
    """One byte with n, then the payload of run-length coding at the largest n that keeps to the limit."""
    x = relu((10, 40), zeros=0.6)
    payload = codecs.create("rle-adaptive", (10, 40), max_bytes=limit).encode(x)
    fitting = [bits for bits in range(1, 17) if 1 + rle((10, 40), bits).coder.size(x) <= limit]
    assert payload == bytes([max(fitting)]) + rle((10, 40), max(fitting)).encode(x)
    decoded = codecs.create("rle-adaptive", (10, 40)).decode(payload)  # n travels; the limit need not
    assert np.array_equal(decoded, rle((10, 40), max(fitting)).decode(payload[1:]))


def test_adaptive_finds_larger_n_where_smaller_ones_do_not_fit():
    """In a sparse sample one bit takes more bytes than eight, because its runs are short."""
    x = np.zeros(10_000, np.float32)
    x[5000] = 1
    limit = rle((10_000,), 8).coder.size(x) + 1
    assert rle((10_000,), 1).coder.size(x) > limit
    assert codecs.create("rle-adaptive", (10_000,), max_bytes=limit).encode(x)[0] >= 8


def test_adaptive_without_enough_bytes_says_how_many():
    """Where not even one bit fits, the smallest possible payload is named."""
    x = relu((10, 40))
    smallest = 1 + min(rle((10, 40), bits).coder.size(x) for bits in range(1, 17))
    with pytest.raises(
        ValueError, match=f"max_bytes=20 is too little: the smallest payload has {smallest} bytes"
    ):
        codecs.create("rle-adaptive", (10, 40), max_bytes=20).encode(x)


@pytest.mark.parametrize("payload", [b"\0" + bytes(8), b"\x11" + bytes(8)])
def test_adaptive_payload_starts_with_its_bits(payload):
    """A first byte that is no number of bits is refused."""
    with pytest.raises(ValueError, match="does not start with a number of bits from 1 to 16"):
        codecs.create("rle-adaptive", (4,)).decode(payload)


# Refusal ---------------------------------------------------------------------------------------


def test_truncated_and_extended_payloads_are_refused():
    """Every prefix of a payload and every addition to it is refused, in both layouts."""
    for zeros in (0.9, 0):
        x = relu((40,), zeros=zeros)
        codec = rle((40,), 4)
        payload = codec.encode(x)
        assert (payload[:4] > payload[4:8]) == (zeros == 0)
        for end in range(1, len(payload)):
            with pytest.raises(ValueError, match="truncated"):
                codec.decode(payload[:end])
        with pytest.raises(ValueError, match="extended"):
            codec.decode(payload + b"\0")
    with pytest.raises(ValueError, match="extended"):
        codec.decode(bytes(9))  # a constant with a body


def test_overshooting_run_is_refused():
    """A run that ends after the last element is a format error."""
    prefix = np.array([0, 1], "<f4").tobytes()
    assert rle((8,), 3).decode(prefix + b"\xf0").tolist() == [0] * 8
    with pytest.raises(ValueError, match="run of zeros that ends at element 8 of 7"):
        rle((7,), 3).decode(prefix + b"\xf0")


def test_padding_must_be_zero():
    """A one after the last codeword or value is damage."""
    for prefix in ([0, 1], [1, 0]):
        with pytest.raises(ValueError, match=r"padding bits of the last payload byte 0x.1 are not zero"):
            rle((1,), 3).decode(np.array(prefix, "<f4").tobytes() + b"\x31")


@pytest.mark.parametrize("prefix", [(np.nan, 1), (0, np.inf), (-np.inf, np.nan)])
def test_prefix_must_be_finite(prefix):
    """NaN and infinity cannot be a minimum or maximum."""
    with pytest.raises(ValueError, match="not finite"):
        rle((1,), 3).decode(np.array(prefix, "<f4").tobytes() + b"\x30")
