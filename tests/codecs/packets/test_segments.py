"""Segments cover a sample without gaps, however deep it is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck.codecs.packets.segments import CUTS, Segments

quick = settings(deadline=None, max_examples=30, derandomize=True, database=None)


@pytest.mark.parametrize("by", CUTS)
@quick
@given(shape=st.lists(st.integers(0, 5), max_size=4).map(tuple), data=st.data())
def test_halves_are_the_whole(by, shape, data):
    """Wherever the cutting stops, every element lies in exactly one segment."""
    segments = Segments(shape, by)
    open_, done = [1], []
    while open_:
        number = open_.pop()
        halves = segments.halves(number) if data.draw(st.booleans()) else []
        open_ += halves
        done += [] if halves else [segments.places(number).reshape(-1)]
    assert sorted(np.concatenate(done).tolist()) == list(range(int(np.prod(shape))))


def test_each_cut_has_its_form():
    """Groups of channels stay maps, tiles keep all channels, interleaved elements are a list."""
    shape = (4, 6, 3)
    assert Segments(shape, "channels").places(3).shape == (2, 6, 3)
    assert Segments(shape, "tiles").places(3).shape == (4, 3, 3)
    assert Segments(shape, "tiles").places(3)[0, 0, 0] == 9
    assert Segments((8,), "elements").places(6).tolist() == [1, 5]


@pytest.mark.parametrize("number", [0, -1, 16, 2**28 - 1])
def test_unknown_segments_are_refused(number):
    """A number that no halving leads to names no segment."""
    with pytest.raises(ValueError, match=f"no segment {number}"):
        Segments((4, 2), "channels").places(number)


def test_unknown_cut_is_refused():
    """A misspelt way to cut gets the list."""
    with pytest.raises(ValueError, match=r"by='rows' is not possible here.*'tiles'"):
        Segments((4, 2), "rows")
