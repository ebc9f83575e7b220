"""Frequency tables: rounding to integers, steps, the decoder's search."""

import numpy as np
import pytest

from bottleneck.codecs.entropy.tables.frequencies import TOTAL, FrequencyTables

ALL = np.zeros(1, np.int32)  # one table for all


def test_rounding_keeps_every_entry_and_the_sum():
    """Each entry gets at least 1, each table sums to 2^24, and shares are those asked for."""
    weights = np.array([[1e12, 1.0, 1e-9, 3e11], [1, 1, 1, 0]])
    tables = FrequencyTables.from_weights(-1, weights)
    assert tables.frequencies.min() >= 1
    assert tables.frequencies.sum(axis=1).tolist() == [TOTAL, TOTAL]
    assert tables.frequencies / TOTAL == pytest.approx(weights / weights.sum(axis=1, keepdims=True), abs=3e-7)


def test_rounding_costs_nothing_on_wide_or_skewed_tables():
    """Rounded frequencies cost at most 1e-4 bits per symbol more than the distribution itself."""
    rng = np.random.default_rng(0)
    for weights in (rng.random(1000), np.array([1e7, *[1.0] * 30]), 0.5 ** np.arange(60)):
        p = weights / weights.sum()
        rounded = FrequencyTables.from_weights(0, weights[None]).frequencies[0] / TOTAL
        assert p @ np.log2(p / rounded) < 1e-4


def test_widest_alphabet_fits():
    """All 65,536 symbols and the escape have room."""
    tables = FrequencyTables.from_weights(-(2**15), np.ones((1, 2**16 + 1)))
    assert set(tables.frequencies[0].tolist()) <= {255, 256}


def test_steps_of_symbols_and_escapes():
    """A symbol is its interval, counted from the likeliest; an escape is followed by 32 bits in halves."""
    tables = FrequencyTables(-1, [[4, TOTAL - 10, 6]])
    starts, frequencies = tables.steps(np.array([0, -1, 1, -2], np.int32), ALL)
    half = TOTAL // 2**16
    escape = TOTAL - 10
    assert starts.tolist() == [0, TOTAL - 4, escape, 0, 1 * half, escape, 0xFFFF * half, 0xFFFE * half]
    assert frequencies.tolist() == [TOTAL - 10, 4, 6, half, half, 6, half, half]


def test_each_channel_has_its_own_steps():
    """The first half of a sample with two channels uses the first table, the second half the second."""
    tables = FrequencyTables(0, [[TOTAL - 3, 2, 1], [TOTAL - 11, 6, 5]])
    starts, frequencies = tables.steps(np.array([0, 1, 0, 1], np.int32), np.array([0, 1], np.int32))
    assert starts.tolist() == [0, TOTAL - 3, 0, TOTAL - 11]
    assert frequencies.tolist() == [TOTAL - 3, 2, TOTAL - 11, 6]


def test_search_starts_where_the_part_starts():
    """For every part of 0 .. 2^24, `first` is the entry that holds its start."""
    tables = FrequencyTables.from_weights(0, np.random.default_rng(0).random((2, 300)) ** 9)
    for row, first in zip(tables.cumulative, tables.first, strict=True):
        starts = np.arange(256) * (TOTAL // 256)
        assert (row[first[:-1]] <= starts).all()
        assert (starts < row[first[:-1] + 1]).all()
        assert first[-1] == 299


def test_ideal_bits_of_an_escape():
    """An escape costs its own share and 32 bits."""
    tables = FrequencyTables(0, [[TOTAL - TOTAL // 8, TOTAL // 8]])
    assert tables.ideal_bits(np.array([77], np.int32), ALL) == pytest.approx(3 + 32)
