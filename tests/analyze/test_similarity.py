"""Channel similarity, on channels that were copied, negated and shifted."""

import numpy as np
import pytest

from bottleneck.analyze.similarity import Similarity, channel_distances, similarity_order


def made(n=5, seed=0):
    """Channels 0, 2 and 4 show one thing: as it is, scaled and moved, negated; 1, 3 and 5 others."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, 9, 9))
    others = rng.normal(size=(n, 3, 9, 9))
    channels = [base, others[:, 0], 4 * base + 2, others[:, 1], -base, others[:, 2]]
    return np.stack(channels, axis=1).astype(np.float32)


def test_copies_are_at_distance_0_whatever_scale_offset_or_sign():
    """Normalised channels and their negatives are one; others are far from them and from each other."""
    distances = channel_distances(made(), pool=3)
    assert np.array_equal(distances, distances.T)
    assert distances[np.ix_([0, 2, 4], [0, 2, 4])] == pytest.approx(np.zeros((3, 3)), abs=1e-5)
    assert distances[np.ix_([0, 2, 4], [1, 3, 5])].min() > 0.4


def test_distance_is_the_definition():
    """Root mean square of the difference of max-pooled normal channels, the smaller of both signs."""
    features = np.random.default_rng(1).normal(size=(1, 2, 4, 4)).astype(np.float32)
    a, b = ((plane - plane.mean()) / plane.std() for plane in features[0].astype(np.float64))

    def pooled(plane):
        return np.array([plane[i : i + 2, j : j + 2].max() for i in (0, 2) for j in (0, 2)])

    candidates = [np.sqrt(((pooled(x) - pooled(y)) ** 2).mean()) for x, y in ((a, b), (a, -b), (-a, b))]
    assert channel_distances(features, pool=2)[0, 1] == pytest.approx(min(candidates))


def test_pooling_forgives_a_small_shift():
    """Compared with an unrelated channel, one that is moved by one coefficient is nearer with pooling."""
    plane, other = np.random.default_rng(0).normal(size=(2, 20, 30, 30)).astype(np.float32) ** 3
    features = np.stack([plane, np.roll(plane, 1, axis=2), other], axis=1)

    def share(pool):
        distances = channel_distances(features, pool)
        return distances[0, 1] / distances[0, 2]

    assert share(1) == pytest.approx(1, abs=0.05)
    assert share(3) < 0.9


def test_order_brings_similar_channels_together():
    """In the order, copies are neighbours, every channel is there once, and neighbours are nearer."""
    found = Similarity.of(made(), pool=3)
    assert sorted(found.order) == list(range(6))
    places = sorted(found.order.index(channel) for channel in (0, 2, 4))
    assert places[2] - places[0] == 2
    assert found.ordered_neighbours < found.neighbours


@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_few_or_constant_channels_are_no_error(n_channels):
    """One channel, or channels without any variation, have an order and finite distances."""
    found = Similarity.of(np.ones((2, n_channels, 1, 1), np.float32), pool=3)
    assert sorted(found.order) == list(range(n_channels))
    assert np.isfinite(found.distances).all()
    assert similarity_order(np.zeros((n_channels, n_channels))) is not None


def test_impossible_pool_is_refused():
    """A width of nothing is refused by value."""
    with pytest.raises(ValueError, match=r"similarity.pool=0 is no width"):
        channel_distances(made(), pool=0)
