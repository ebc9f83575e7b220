"""Similarity of channels: blind to mean, deviation, sign and small shifts."""

import numpy as np
import pytest

from bottleneck.codecs.pictures.tiles.similarity import channel_distances, similar_order


def patterns(n=8):
    """Three patterns; channel 3 is the first one scaled and moved, channel 4 the second one negated."""
    rng = np.random.default_rng(0)
    first, second, third = rng.normal(size=(3, n, 9, 9))
    return np.stack([first, second, third, 5 * first + 2, -second], axis=1).astype(np.float32)


def test_scale_offset_and_sign_do_not_count():
    """A channel is as near to its scaled, shifted and negated copies as to itself."""
    distances = channel_distances(patterns())
    assert distances[0, 3] == pytest.approx(0, abs=1e-3)
    assert distances[1, 4] == pytest.approx(0, abs=1e-3)
    assert distances[0, 1] > 1
    assert np.array_equal(distances, distances.T)
    assert not distances.diagonal().any()


def test_distance_is_that_of_the_definition():
    """One pair by hand: normalise, take maxima of 3×3 windows, and the smaller of two Euclidean distances."""
    x = np.random.default_rng(1).normal(size=(1, 2, 6, 6)).astype(np.float32)
    a, b = ((c - c.mean()) / c.std() for c in x[0].astype(np.float64))

    def pool(c):
        return np.array([c[i : i + 3, j : j + 3].max() for i in (0, 3) for j in (0, 3)])

    straight = np.linalg.norm(pool(a) - pool(b))
    negated = min(np.linalg.norm(pool(a) - pool(-b)), np.linalg.norm(pool(b) - pool(-a)))
    assert channel_distances(x)[0, 1] == pytest.approx(min(straight, negated), rel=1e-5)


def test_order_puts_alike_channels_side_by_side():
    """The chain goes to the nearest channel that is left, and visits each once."""
    order = similar_order(channel_distances(patterns()))
    assert order[:2] == [0, 3]
    assert abs(order.index(1) - order.index(4)) == 1
    assert sorted(order) == list(range(5))


def test_constant_and_single_channels_have_an_order():
    """Nothing to compare is no error."""
    assert similar_order(channel_distances(np.zeros((2, 3, 4, 4), np.float32))) == [0, 1, 2]
    assert similar_order(channel_distances(np.zeros((2, 1, 1, 1), np.float32))) == [0]
    assert similar_order(np.zeros((0, 0))) == []
