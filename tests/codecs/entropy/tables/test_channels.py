"""One table or one per channel: decided on held-out halves, against what the tables take."""

import numpy as np
import pytest

from bottleneck.codecs.entropy.tables.channels import ChannelCounts
from bottleneck.codecs.entropy.tables.histogram import Histogram


def counted(samples):
    return ChannelCounts.fit(samples, samples.shape[1:])


def of_two_kinds(n_samples, seed=0):
    """Channels of which half are nearly always 0 and half are not. Shape ``(n, 8, 16)``."""
    rng = np.random.default_rng(seed)
    p = np.where(np.arange(8) < 4, 0.98, 0.3)[:, None]
    return (rng.geometric(p, (n_samples, 8, 16)) - 1).astype(np.int32)


def test_counts_are_those_of_a_histogram_per_channel_and_half():
    """Even and odd samples are counted apart, each channel by itself, symbols beyond 16 bits last."""
    samples = np.random.default_rng(0).integers(-3, 5, (7, 3, 10)).astype(np.int32)
    samples[2, 1, :2] = 40_000, -(2**31)
    counts = counted(samples)
    for half in range(2):
        for channel in range(3):
            expected = Histogram.fit([samples[half::2, channel]])
            in_range = np.zeros(8, int)
            in_range[expected.low + 3 : expected.high + 4] = expected.counts
            assert (counts.low, counts.counts[half, channel, :-1].tolist()) == (-3, in_range.tolist())
            assert counts.counts[half, channel, -1] == expected.n_outside


def test_shared_distribution_is_the_smoothed_histogram():
    """Where one table is used, its weights are `Histogram`'s, so every codec smooths alike."""
    samples = np.random.default_rng(0).integers(-3, 5, (4, 40)).astype(np.int32)
    histogram = Histogram.fit([samples])
    assert counted(samples).weights().tolist() == [[*histogram.smoothed, histogram.escape]]


def test_channels_that_differ_pay_for_their_tables():
    """With many samples, a sparse and a busy kind of channel get distributions of their own."""
    weights = counted(of_two_kinds(300)).weights()
    p_zero = weights[:, 0] / weights.sum(axis=1)
    assert weights.shape[0] == 8
    assert p_zero[:4] == pytest.approx(0.98, abs=0.01)
    assert p_zero[4:] == pytest.approx(0.3, abs=0.02)


def test_channels_that_are_alike_share_a_table():
    """With any number of samples, channels of one distribution share one table."""
    rng = np.random.default_rng(0)
    for n_samples in (1, 2, 10, 1000):
        assert len(counted((rng.geometric(0.5, (n_samples, 8, 16)) - 1).astype(np.int32)).weights()) == 1


def test_few_samples_do_not_pay_for_tables():
    """A saving over a handful of samples is smaller than the tables."""
    for n_samples in (1, 2, 3):
        assert len(counted(of_two_kinds(n_samples)).weights()) == 1


def test_symbols_that_repeat_within_a_sample_are_no_reason():
    """Channels that are constant within a sample, and anything in the next, share one table."""
    values = np.random.default_rng(0).integers(0, 6, (12, 32, 1))
    assert len(counted(np.repeat(values, 64, axis=2).astype(np.int32)).weights()) == 1


def test_symbol_unseen_in_its_channel_stays_cheap():
    """A symbol that other channels show costs far less than an escape's 32 bits where it was never seen."""
    samples = of_two_kinds(300)
    samples[:, :4] = 0
    weights = counted(samples).weights()
    bits = -np.log2(weights / weights.sum(axis=1, keepdims=True))
    assert len(weights) == 8
    assert bits[0, 1:5].max() < 20
    assert bits[0, -1] < 32


def test_too_many_entries_are_counted_together():
    """Wide alphabets in many channels, or very many channels, have one table: memory stays bounded."""
    samples = np.random.default_rng(0).integers(0, 3000, (4, 64, 9)).astype(np.int32)
    counts = counted(samples)
    assert counts.counts.shape == (2, 1, samples.max() + 2)
    assert counts.counts.sum() == samples.size
    assert ChannelCounts((100_000, 1)).counts.shape == (2, 1, 2)
