"""Groups: any number of levels in hardly more than log2 N bits."""

import math

import numpy as np
import pytest

from bottleneck.codecs.entropy.bitstreams.groups import grouping, n_bytes, pack_groups, unpack_groups


@pytest.mark.parametrize("levels", [2, 3, 5, 6, 7, 10, 16, 17, 100, 255, 256, 1000, 65535, 65536])
@pytest.mark.parametrize("count", [0, 1, 10, 11, 12, 100])
def test_round_trip_in_the_promised_bytes(levels, count):
    """Symbols come back, from as many bytes as `n_bytes` says."""
    symbols = np.random.default_rng(levels).integers(0, levels, count).astype(np.uint16)
    symbols[:2] = levels - 1
    body = pack_groups(symbols, levels)
    assert len(body) == n_bytes(count, levels)
    assert np.array_equal(unpack_groups(body, levels, count), symbols)


def test_three_symbols_of_seven_levels_by_hand():
    """A group is its symbols as digits to base N, first symbol first, in a field of its width."""
    assert grouping(7) == (11, 31)
    number = sum(digit * 7 ** (10 - i) for i, digit in enumerate([2, 0, 6]))
    assert pack_groups(np.array([2, 0, 6], np.uint16), 7) == (number << 1).to_bytes(4, "big")


@pytest.mark.parametrize(("levels", "rate"), [(7, 2.82), (6, 2.6), (3, 1.588), (4, 2), (256, 8), (65536, 16)])
def test_rate_is_hardly_above_the_logarithm(levels, rate):
    """Seven levels take 2.82 bits and six 2.6, as in the thesis; powers of two exactly n."""
    size, width = grouping(levels)
    assert width / size == pytest.approx(rate, abs=0.01)
    assert math.log2(levels) <= width / size <= 1.04 * math.log2(levels)
    assert width <= 31


def test_impossible_groups_are_refused():
    """A number beyond N^k, or a symbol after the last one, is damage."""
    with pytest.raises(ValueError, match="a number beyond 11 symbols of 7 levels"):
        unpack_groups(b"\xff\xff\xff\xfe", 7, 11)
    body = pack_groups(np.array([1, 2, 3], np.uint16), 7)
    with pytest.raises(ValueError, match="symbols after the last one"):
        unpack_groups(body, 7, 2)
    with pytest.raises(ValueError, match="4 bytes where 8 are expected"):
        unpack_groups(body, 7, 12)
