"""Each concealment on samples for which it is right, and all of them on what they have in common."""

import numpy as np
import pytest

from bottleneck.lossy.concealment import CONCEALMENTS, create

RNG = np.random.default_rng(0)
SHAPE = (6, 8, 8)
MEAN = RNG.normal(2, 1, SHAPE)
Y, X = np.mgrid[:8, :8] / 8


def smooth_samples(n, seed=0):
    """The same mean everywhere, plus a few smooth patterns that the channels share in pairs."""
    rng = np.random.default_rng(seed)
    waves = np.stack([np.sin(3 * X + p) * np.cos(2 * Y + 2 * p) for p in range(3)])
    mixed = rng.normal(size=(n, 3, 1, 1)) * waves
    paired = np.concatenate([mixed, -2 * mixed], 1) + rng.normal(0, 0.01, (n, *SHAPE))
    return (MEAN + paired).astype(np.float32)


TRAINING, SAMPLES = smooth_samples(60), smooth_samples(12, seed=1)


def error(name, mask, samples=SAMPLES):
    """Root of the mean squared error of what was filled."""
    concealment = create(name).fit(TRAINING)
    filled = [concealment.fill(np.where(mask, s, 0), mask, concealment.side(s)) for s in samples]
    return float(np.sqrt(np.mean([(f - s)[~mask] ** 2 for f, s in zip(filled, samples, strict=True)])))


def losing(share, seed=0):
    return np.random.default_rng(seed).random(SHAPE) >= share


ONE_CHANNEL = np.ones(SHAPE, bool)
ONE_CHANNEL[1] = False


@pytest.mark.parametrize("mask", [losing(0.2), ONE_CHANNEL], ids=["elements", "channel"])
def test_order_of_the_thesis(mask):
    """Zero is worst, the data set's mean is better than the channel's."""
    assert (
        error("zero", mask) > error("channel-mean", mask) > error("mean", mask) > error("hybrid", mask) * 0.9
    )


def test_neighbours_know_more_than_means():
    """In smooth maps, interpolation beats every mean, even where a whole square is missing."""
    square = np.ones(SHAPE, bool)
    square[2, 2:5, 3:6] = False
    assert error("spatial", losing(0.2)) < 0.5 * error("mean", losing(0.2))
    assert error("spatial", square) < 0.9 * error("mean", square)


def test_a_lost_channel_is_copied_from_its_twin():
    """Channel 1 is -½ times channel 4 but for noise; neighbours cannot know."""
    assert error("correlated", ONE_CHANNEL) < 0.1 * error("mean", ONE_CHANNEL)
    assert error("spatial", ONE_CHANNEL) == pytest.approx(error("mean", ONE_CHANNEL))


def test_low_rank_completion_finds_the_patterns():
    """Three patterns are three ranks: half of what is missing follows from the rest."""
    mask = losing(0.2)
    assert error("low-rank", mask) < 0.6 * error("mean", mask)


def test_the_last_sample_fills_the_next():
    """A still scene is whole again after one sample; `session` forgets it."""
    still, mask = SAMPLES[3], losing(0.5)
    concealment = create("previous").fit(TRAINING)
    concealment.fill(still, np.ones(SHAPE, bool))
    assert np.array_equal(concealment.fill(np.where(mask, still, 0), mask), still)
    fresh = concealment.session()
    assert np.allclose(fresh.fill(np.where(mask, still, 0), mask)[~mask], fresh.mean[~mask])


def test_a_running_mean_forgets_slowly():
    """After many samples of one kind and one of another, it is a third of the way."""
    ones, mask = np.ones(SHAPE, np.float32), np.ones(SHAPE, bool)
    concealment = create("running-mean").fit(TRAINING)
    for value in (1, 1, 1, 2):
        concealment.fill(value * ones, mask)
    filled = concealment.fill(0 * ones, ~mask)
    assert np.allclose(filled, 1.3)


@pytest.mark.parametrize(("down", "across"), [(1, 0), (-2, 1), (0, 0)])
def test_a_map_that_moves_is_filled_from_where_it_was(down, across):
    """Whole cells are found from half of the elements, and the gaps are then exact inside the map."""
    scene = np.random.default_rng(3).normal(size=(6, 14, 14)).astype(np.float32)
    before, now = scene[:, 3:11, 3:11], scene[:, 3 + down : 11 + down, 3 + across : 11 + across]
    concealment = create("motion").fit(TRAINING)
    concealment.fill(before, np.ones(SHAPE, bool))
    mask = losing(0.5)
    filled = concealment.fill(np.where(mask, now, 0), mask)
    inside = (slice(None), slice(2, 6), slice(2, 6))
    assert np.allclose(filled[inside], now[inside], atol=1e-6)


def test_half_a_cell_is_found_too():
    """A smooth map that moved by half a cell is nearer than the last one as it was."""
    maps = [np.broadcast_to(np.sin(2 * (X * 8 + shift)), SHAPE).astype(np.float32) for shift in (0.0, 0.5)]
    mask, errors = losing(0.5), {}
    for name in ("previous", "motion"):
        concealment = create(name).fit(TRAINING)
        concealment.fill(maps[0], np.ones(SHAPE, bool))
        errors[name] = np.abs(concealment.fill(np.where(mask, maps[1], 0), mask) - maps[1]).mean()
    assert errors["motion"] < 0.7 * errors["previous"]


@pytest.mark.parametrize("name", CONCEALMENTS)
def test_untouched_where_nothing_is_lost(name):
    """The very array comes back, and symbols stay integers."""
    concealment = create(name).fit(TRAINING)
    whole = np.ones(SHAPE, bool)
    for array in (SAMPLES[0], np.arange(384, dtype=np.int32).reshape(SHAPE)):
        assert concealment.fill(array, whole, concealment.side(array)) is array


@pytest.mark.parametrize("name", CONCEALMENTS)
def test_everything_lost_is_filled(name):
    """Even of nothing a finite sample is made."""
    concealment = create(name).fit(TRAINING)
    nothing = np.zeros(SHAPE, np.float32)
    filled = concealment.fill(nothing, np.zeros(SHAPE, bool), concealment.side(SAMPLES[0]))
    assert filled.shape == SHAPE
    assert filled.dtype == np.float32
    assert np.isfinite(filled).all()


@pytest.mark.parametrize("name", CONCEALMENTS)
def test_other_numbers_of_axes(name):
    """Tokens, channels by places, are filled as maps are."""
    tokens = TRAINING.reshape(-1, 6, 64)
    concealment = create(name).fit(tokens)
    mask = losing(0.3).reshape(6, 64)
    filled = concealment.fill(np.where(mask, tokens[0], 0), mask, concealment.side(tokens[0]))
    assert np.array_equal(filled[mask], tokens[0][mask])


@pytest.mark.parametrize("name", CONCEALMENTS)
def test_mask_of_another_shape_is_refused(name):
    """Both shapes are named."""
    concealment = create(name).fit(TRAINING)
    with pytest.raises(ValueError, match=r"mask of shape \(6,\) for a sample of shape \(6, 8, 8\)"):
        concealment.fill(SAMPLES[0], np.ones(6, bool))


def test_foreign_side_information_is_refused():
    """Means of another number of channels are no means of these."""
    concealment = create("hybrid").fit(TRAINING)
    with pytest.raises(ValueError, match="3 bytes of channel means for 6 channels"):
        concealment.fill(SAMPLES[0], losing(0.5), b"abc")


def test_unknown_names_and_no_samples_are_refused():
    """With the list of names, and with what is needed."""
    with pytest.raises(ValueError, match=r"concealment='men' is unknown.*mean"):
        create("men")
    with pytest.raises(ValueError, match="no samples"):
        create("mean").fit([])
