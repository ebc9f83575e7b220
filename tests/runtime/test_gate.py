"""The gate, on a clock that is passed in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottleneck.runtime.gate import Gate


def test_nothing_leaves_before_the_last_frame_is_confirmed():
    """One frame is under way at a time, and another's or a late confirmation opens nothing."""
    gate = Gate()
    assert gate.is_open(0.0)
    gate.sent(1, 100, 0.0, expected=0.5)
    assert not gate.is_open(10.0)
    assert not gate.confirmed(0, 100, 0.0)
    assert not gate.is_open(10.0)
    assert gate.confirmed(1, 100, 0.0)
    assert gate.is_open(0.3)
    gate.sent(2, 100, 0.4, expected=0.5)
    assert not gate.confirmed(1, 100, 0.0)
    assert not gate.is_open(0.5)


def test_part_of_a_frame_is_not_enough():
    """The gate stays shut until no byte is unreceived."""
    gate = Gate()
    gate.sent(1, 100, 0.0, expected=0.1)
    gate.confirmed(1, 60, 0.0)
    assert gate.unreceived == 40
    assert not gate.is_open(1.0)


def test_the_servers_interval_is_kept():
    """Confirmed frames leave as far apart as the server said last."""
    gate = Gate()
    gate.sent(1, 10, 2.0, expected=0.1)
    gate.confirmed(1, 10, interval=0.5)
    assert not gate.is_open(2.49)
    assert gate.wait(2.2) == pytest.approx(0.3)
    assert gate.is_open(2.5)


def test_a_frame_is_dropped_if_it_would_wait_longer_than_the_head_takes():
    """While the head computes, the gate may open: only what would wait after it is dropped."""
    gate = Gate()
    gate.sent(1, 10, 0.0, expected=0.3)
    assert gate.drops(0.1, head=0.19)
    assert not gate.drops(0.1, head=0.21)
    gate.confirmed(1, 10, 0.0)
    assert not gate.drops(0.1, head=0.0)


def test_what_is_overdue_is_not_expected_at_once():
    """A confirmation that is late by some time is taken to need as long again."""
    gate = Gate()
    gate.sent(1, 10, 0.0, expected=0.3)
    assert gate.wait(0.8) == pytest.approx(0.5)
    assert gate.drops(0.8, head=0.4)


@given(st.lists(st.tuples(st.floats(0.0001, 1.0), st.floats(0.0, 0.2), st.floats(0.0, 0.5)), max_size=30))
def test_at_most_one_frame_is_unconfirmed_whatever_happens(steps):
    """Over any run of confirmations and offers, the link never holds two frames."""
    gate, now, under_way, number = Gate(), 0.0, None, 0
    last = -1e9
    for pause, head, interval in steps:
        now += pause
        if under_way is not None and now >= under_way[1]:
            gate.confirmed(under_way[0], 50, interval)
            under_way = None
        if not gate.drops(now, head) and gate.is_open(now + head):
            now += head
            assert under_way is None
            assert now >= last + gate.interval
            number, last = number + 1, now
            gate.sent(number, 50, now, expected=0.2)
            under_way = (number, now + 0.2)


def test_the_servers_interval_begins_with_frames_alone():
    """A probe delays a frame until it has arrived, and no longer."""
    gate = Gate()
    gate.sent(0, 100, 0.0, 0.1)
    gate.confirmed(0, 100, 1.0)
    gate.sent(7, 10, 0.9, 0.1, paced=False)
    assert not gate.is_open(1.0)
    gate.confirmed(7, 10, 1.0)
    assert gate.is_open(1.0)
