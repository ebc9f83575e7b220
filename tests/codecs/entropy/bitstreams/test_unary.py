"""Truncated unary with learnt probabilities: golden vector, length against entropy, the ending, refusal."""

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck.codecs.entropy.bitstreams import unary
from bottleneck.codecs.entropy.bitstreams.unary import Contexts, decode, encode
from bottleneck.codecs.levels.design.activation_model import ActivationModel
from bottleneck.codecs.levels.design.scalar_quantizer import ScalarQuantizer

GOLDEN = np.array([0, 0, 1, 3, 0, 2, 0, 0], np.uint8)


def undecided(n_levels, shifts=unary.SHIFTS):
    """Contexts that know nothing: both bits equally likely."""
    return Contexts(np.full(n_levels - 1, unary.ONE // 2), shifts)


def interval(indices, contexts):
    """Lower end and width of the final interval as whole numbers, and how many digits they have."""
    digits = np.empty(3 * indices.size * len(contexts.initial) + 5, np.uint16)
    initial = contexts.initial
    n, width = unary._encode(indices, initial.copy(), initial.copy(), *contexts.shifts, digits)
    return sum(int(digit) << 8 * (n - 1 - k) for k, digit in enumerate(digits[:n])), width, n


def draw(n, p, seed=0):
    return np.random.default_rng(seed).choice(len(p), n, p=p).astype(np.uint8)


def entropy_bytes(indices):
    share = np.bincount(indices) / indices.size
    return -indices.size * (share[share > 0] @ np.log2(share[share > 0])) / 8


# Bytes -----------------------------------------------------------------------------------------


def test_golden_vector():
    """The specified engine's five digits, of which the shortest number in the interval needs two."""
    low, _, n = interval(GOLDEN, undecided(4))
    assert low.to_bytes(n).hex() == "31af7bb8d3"
    assert encode(GOLDEN, undecided(4)).hex() == "31b0"
    assert np.array_equal(decode(bytes.fromhex("31b0"), 8, undecided(4)), GOLDEN)


@pytest.mark.parametrize("n_levels", [2, 3, 8, 256])
def test_lowest_levels_are_no_bytes_and_an_empty_sample_too(n_levels):
    """A sample of nothing but the lowest level is not sent, and a single level never is."""
    zeros = np.zeros(100_000, np.uint8)
    assert encode(zeros, undecided(n_levels)) == b""
    assert np.array_equal(decode(b"", zeros.size, undecided(n_levels)), zeros)
    assert encode(zeros[:0], undecided(n_levels)) == b""
    assert encode(zeros, undecided(1)) == b""


@pytest.mark.parametrize("n_levels", [2, 3, 4, 8, 100, 256])
def test_any_indices_come_back(n_levels):
    """Uniform, constant and extreme indices of every number of levels are coded without loss."""
    rng = np.random.default_rng(n_levels)
    for indices in (
        rng.integers(0, n_levels, 500),
        np.full(500, n_levels - 1),
        np.tile([0, n_levels - 1], 250),
        np.minimum(rng.geometric(0.5, 500) - 1, n_levels - 1),
    ):
        for shifts in ((4, 7), (3, 16), (16, 16), (1, 1)):
            contexts = undecided(n_levels, shifts)
            payload = encode(indices.astype(np.uint8), contexts)
            assert np.array_equal(decode(payload, 500, contexts), indices)


@pytest.mark.parametrize("seed", range(30))
def test_payload_is_the_shortest_number_in_the_interval(seed):
    """In whole numbers of any size: no shorter payload points into the interval, and no smaller one."""
    rng = np.random.default_rng(seed)
    contexts = undecided(4, (int(rng.integers(1, 8)), 7))
    indices = draw(int(rng.integers(1, 60)), [0.7, 0.1, 0.1, 0.1], seed)
    low, width, n = interval(indices, contexts)
    payload = encode(indices, contexts)
    number, place = int.from_bytes(payload), 1 << 8 * (n - len(payload))
    assert low <= number * place < low + width
    assert (number - 1) * place < low
    assert not payload or -(-low // (place << 8)) * (place << 8) >= low + width


def test_carries_run_through_long_rows_of_ones():
    """Samples at the upper edge of intervals, whose bytes are rows of 0xff, come back."""
    contexts = Contexts(np.array([unary.LEAST]), (unary.NEVER, unary.NEVER))
    rng = np.random.default_rng(0)
    for _ in range(50):
        indices = np.ones(3000, np.uint8)
        indices[rng.integers(0, 3000, 3)] = 0
        assert np.array_equal(decode(encode(indices, contexts), 3000, contexts), indices)
    assert encode(np.append(np.zeros(60, np.uint8), np.ones(9000, np.uint8)), contexts).count(0xFF) > 0


# Length ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_levels", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [512, 15_680, 100_352])
def test_length_is_within_2_percent_and_8_bytes_of_the_entropy(n_levels, size):
    """On the levels of the papers' ResNet-50 density, knowing nothing beforehand."""
    model = ActivationModel.from_moments(1.1235656, 4.9280124, slope=0.1)
    y = np.linspace(-4, 80, 1_000_001)
    weights = model.density(y)
    values = np.random.default_rng(size).choice(y, size, p=weights / weights.sum()).astype(np.float32)
    ends = {2: 5.184, 3: 7.511, 4: 9.036, 8: 12.492}
    indices = ScalarQuantizer.uniform(0, ends[n_levels], n_levels).indices(values)
    payload = encode(indices, undecided(n_levels))
    assert len(payload) <= 1.02 * entropy_bytes(indices) + 8


def test_known_distribution_costs_its_ideal_bits():
    """Estimates that are right and stay cost the ideal, however skewed; half a byte more is the ending."""
    for p in ([0.99, 0.01], [0.5, 0.3, 0.15, 0.05], [0.98, 0.015, 0.005]):
        indices = draw(50_000, p)
        contexts = Contexts.from_counts(np.bincount(indices), (unary.NEVER, unary.NEVER))
        ideal = contexts.level_bits()[indices].sum() / 8
        assert ideal == pytest.approx(entropy_bytes(indices), rel=1e-3)
        assert ideal - 1 <= len(encode(indices, contexts)) <= 1.005 * ideal + 1


def test_one_context_for_each_place_pays():
    """With the same estimate for every bit of the unary code, skewed levels cost much more."""
    indices = draw(20_000, [0.7, 0.02, 0.02, 0.26])
    places = np.array([index >= k for index in indices.tolist() for k in range(min(index + 1, 3))])
    bits = np.concatenate([[1] * index + [0] * (index < 3) for index in indices.tolist()]).astype(np.uint8)
    assert places.size == bits.size
    assert len(encode(indices, undecided(4))) < 0.9 * len(encode(bits, undecided(2)))


def test_samples_that_change_on_the_way_cost_less_than_their_entropy():
    """Where one half is nearly all zero and the other is not, learning beats any fixed distribution."""
    indices = np.concatenate([draw(10_000, [0.98, 0.02]), draw(10_000, [0.3, 0.7])])
    assert len(encode(indices, undecided(2))) < 0.75 * entropy_bytes(indices)


def test_level_bits_are_those_of_the_smoothed_counts():
    """First estimates from counts are the counts' shares, level by level, each counted once more."""
    counts = np.array([700, 0, 250, 49])
    ideal = -np.log2((counts + 1) / (counts.sum() + 4))
    assert Contexts.from_counts(counts).level_bits() == pytest.approx(ideal, abs=0.02)
    assert math.isfinite(Contexts.from_counts(np.array([10**9, 0, 0])).level_bits().sum())


# Refusal ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=300, derandomize=True, database=None)
@given(payload=st.binary(max_size=9))
def test_accepted_bytes_are_exactly_what_encode_writes(payload):
    """Whatever decodes is the one payload of its indices; all else is refused."""
    contexts = undecided(3)
    with contextlib.suppress(ValueError):
        assert encode(decode(payload, 9, contexts), contexts) == payload


def test_trailing_zeros_and_whole_bytes_too_many_are_refused():
    """What the decoder would imply must not be sent, and nothing may follow the last byte."""
    for tail in (b"\0", b"\0\0\0", b"\xff", b"\1" * 9, bytes(100_000)):
        with pytest.raises(ValueError, match="is not how its 8 levels are written"):
            decode(encode(GOLDEN, undecided(4)) + tail, 8, undecided(4))


def test_number_beyond_the_first_interval_is_refused():
    """The one number that no sample begins with."""
    with pytest.raises(ValueError, match="is not how"):
        decode(b"\xff" * 9, 4, undecided(2))
