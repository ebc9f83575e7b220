"""Traces say what a link does at any time, and are files."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottleneck.runtime.traces import Trace

TRACE = Trace([0, 10, 20], [1000, 0, 500])


def test_bandwidth_is_that_of_the_step():
    """Each step begins at its time; the last one lasts."""
    assert [TRACE.at(t) for t in (-1, 0, 9.9, 10, 19, 20, 999)] == [1000, 1000, 1000, 0, 0, 500, 500]


@pytest.mark.parametrize(
    ("begin", "size", "end"),
    [(0, 0, 0), (0, 5000, 5), (5, 5000, 10), (5, 6000, 22), (12, 0, 12), (12, 500, 21), (30, 1000, 32)],
)
def test_bytes_go_through_at_the_bandwidth_of_their_time(begin, size, end):
    """An outage is waited out, and the rest goes at the bandwidth behind it."""
    assert TRACE.through(begin, size) == end


def test_a_link_that_stays_down_lets_nothing_through():
    """Bytes behind the last step of bandwidth 0 never arrive."""
    assert math.isinf(Trace([0, 1], [10, 0]).through(0, 11))


@given(
    st.lists(st.tuples(st.floats(0.01, 9), st.floats(0, 1e6)), min_size=1, max_size=8),
    st.floats(0, 50),
    st.floats(1, 1e6),
)
def test_what_has_gone_through_is_the_area_under_the_bandwidth(steps, begin, size):
    """Whatever the trace, the bytes between beginning and end are the size."""
    lengths, bandwidths = zip(*steps, strict=True)
    trace = Trace([0, *np.cumsum(lengths[:-1]).tolist()], list(bandwidths))
    end = trace.through(begin, size)
    if math.isfinite(end):
        edges = sorted({begin, end, *(t for t in trace.seconds if begin < t < end)})
        area = sum(trace.at(low) * (high - low) for low, high in pairwise(edges))
        assert area == pytest.approx(size, rel=1e-6, abs=1e-3)


def test_nothing_gets_through_during_outages():
    """From an outage's first moment to its end the bandwidth is 0, else what it was; they may overlap."""
    trace = TRACE.interrupted([(5, 8), (7, 9), (18, 25)])
    expected = {0: 1000, 4.9: 1000, 5: 0, 8.9: 0, 9: 1000, 10: 0, 20: 0, 24.9: 0, 25: 500, 999: 500}
    assert {now: trace.at(now) for now in expected} == expected
    assert TRACE.interrupted([]) == TRACE
    assert trace.through(4, 2000) == 10


@pytest.mark.parametrize("outage", [(5, 5), (8, 5), (-1, 5), (0, math.inf), (math.nan, 5), (0, math.nan)])
def test_what_is_no_time_is_no_outage(outage):
    """An outage begins at 0 s or later, and ends later than that."""
    with pytest.raises(ValueError, match=rf"{outage[0]} to {outage[1]} does not"):
        TRACE.interrupted([outage])


def test_traces_survive_their_file(tmp_path):
    """What was written is read, number for number."""
    trace = Trace.wandering(1e5, 0.8, 5, 10)
    trace.write(tmp_path / "trace.csv")
    assert Trace.read(tmp_path / "trace.csv") == Trace(tuple(trace.seconds), tuple(trace.bandwidths))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its first line is ''"),
        ("a,b\n0,1\n", "its first line is 'a,b'"),
        ("seconds,bandwidth\n0,x\n", "could not convert"),
        ("seconds,bandwidth\n", "is no trace"),
        ("seconds,bandwidth\n1,5\n", "rise from 0 s"),
        ("seconds,bandwidth\n0,5\n0,6\n", "rise from 0 s"),
        ("seconds,bandwidth\n0,-5\n", "bytes per second, 0 or more"),
    ],
)
def test_files_that_are_no_traces_are_refused(tmp_path, text, message):
    """The message names the file and what is wrong with it."""
    (tmp_path / "trace.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"trace\.csv is no trace.*{message}|{message}"):
        Trace.read(tmp_path / "trace.csv")


def test_a_wandering_link_has_the_median_and_spread_asked_for():
    """Over a long time half of it is below the median, and the logarithm spreads as asked."""
    logs = np.log(Trace.wandering(1e5, 0.8, 2.0, 2000).bandwidths)
    assert np.median(logs) == pytest.approx(math.log(1e5), abs=0.15)
    assert logs.std() == pytest.approx(0.8, rel=0.15)
    assert np.corrcoef(logs[:-20], logs[20:])[0, 1] == pytest.approx(math.exp(-1), abs=0.12)
