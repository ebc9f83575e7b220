"""The search for the best quality that keeps to a number of bytes."""

import numpy as np
import pytest

from bottleneck.codecs.budget import best_within


def test_search_finds_the_largest_quality_and_respects_the_given_one():
    """Bisection returns the best payload within the limit; without a limit, the best of all."""
    written = []

    def write(quality):
        written.append(quality)
        return bytes(10 * quality)

    assert len(best_within(507, range(1, 101), write)) == 500
    assert len(written) <= 7
    assert len(best_within(507, range(1, 31), write)) == 300
    assert len(best_within(None, range(1, 31), write)) == 300
    with pytest.raises(
        ValueError, match="max_bytes=9 is too little: the smallest payload found has 10 bytes"
    ):
        best_within(9, range(1, 101), write)


def test_search_never_returns_more_than_the_limit():
    """Where size jumps up and down with quality, what is returned still fits."""
    sizes = np.random.default_rng(0).integers(100, 1000, 100)
    for limit in range(250, 1000, 50):
        payload = best_within(limit, range(100), lambda quality: bytes(int(sizes[quality])))
        assert len(payload) <= limit
