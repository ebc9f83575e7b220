"""Frames that wait for the worker, on a clock that is passed in."""

import math
from typing import NamedTuple

import pytest

from bottleneck.runtime.serving.batching import Waiting


class Job(NamedTuple):
    device: str
    arrived: float


def test_a_devices_newer_frame_takes_its_older_ones_place():
    """Of one device only the newest frame waits."""
    waiting = Waiting(max_batch=4)
    old, new = Job("a", 0.0), Job("a", 0.1)
    assert waiting.add(old, 0.0) is None
    assert waiting.add(new, 0.1) is old
    assert waiting.take(0.1) == [new]
    assert len(waiting) == 0


def test_no_more_than_the_next_batch_waits():
    """A frame that finds the batch full is given back; one that is there already may still be replaced."""
    waiting = Waiting(max_batch=2)
    waiting.observe(1, 1.0)
    first, second, third = (Job(name, 0.0) for name in "abc")
    assert waiting.add(first, 0.0) is None
    assert waiting.add(second, 0.0) is None
    assert waiting.add(third, 0.0) is third
    assert waiting.add(Job("a", 1.0), 1.0) is first


def test_a_batch_is_due_when_full_or_when_the_first_has_waited():
    """An idle worker waits for company, but not long; without frames for ever."""
    waiting = Waiting(max_batch=2, max_wait=0.5)
    waiting.observe(1, 1.0)
    assert waiting.due(0.0) == math.inf
    waiting.add(Job("a", 10.0), 10.0)
    assert waiting.due(10.2) == pytest.approx(0.3)
    assert waiting.due(11.0) == 0.0
    waiting.add(Job("b", 10.1), 10.1)
    assert waiting.due(10.1) == 0.0


def test_batches_are_as_large_as_it_pays():
    """Where a batch costs what its frames cost, it shrinks to one; where little more, it stays large."""
    costly, cheap = Waiting(max_batch=4), Waiting(max_batch=4)
    for _ in range(6):
        costly.observe(costly.size, 0.1 * costly.size)
        cheap.observe(cheap.size, 0.1 + 0.005 * cheap.size)
        costly.observe(1, 0.1)
        cheap.observe(1, 0.1)
    assert (costly.size, cheap.size) == (1, 4)


def test_larger_batches_are_tried_one_frame_at_a_time():
    """Many frames at once do not make those who come first wait for a batch of all of them."""
    waiting = Waiting(max_batch=8)
    sizes = [waiting.size]
    for _ in range(8):
        waiting.observe(waiting.size, 0.1)
        sizes.append(waiting.size)
    assert sizes == [1, 2, 3, 4, 5, 6, 7, 8, 8]


def test_a_size_that_was_slow_once_is_tried_again():
    """A batch that the machine was busy for does not end batching for good."""
    waiting = Waiting(max_batch=2)
    waiting.observe(1, 0.1)
    waiting.observe(2, 0.2)
    assert waiting.size == 1
    for _ in range(1000):
        waiting.observe(1, 0.1)
    assert waiting.size == 1
    for _ in range(2000):
        waiting.observe(1, 0.1)
    assert waiting.size == 2


def test_no_frame_that_waits_gets_older_than_twice_what_one_takes():
    """Who would have to wait longer for the worker, or make the first one wait longer, is refused."""
    waiting = Waiting(max_batch=4)
    waiting.observe(1, 1.0)
    waiting.observe(2, 1.4)
    waiting.observe(1, 1.0)
    assert waiting.add(Job("a", 10.0), 10.0) is None
    waiting.take(10.0)  # until 11
    assert waiting.add(Job("b", 10.2), 10.2) is None  # answered at 12
    assert not waiting.has_room("c", 10.3)  # both would be answered at 12.4, and b be 2.2 old
    assert waiting.has_room("b", 10.3)  # in the place of its older one
    waiting.take(11.0)
    waiting.observe(1, 1.0)
    assert waiting.add(Job("b", 11.7), 11.7) is None
    assert waiting.has_room("c", 11.8)  # both at 13.4


def test_a_worker_that_is_late_takes_nobody_for_old():
    """The batch in progress takes longer than expected: it ends now, as far as anybody knows."""
    waiting = Waiting(max_batch=1)
    waiting.observe(1, 1.0)
    waiting.add(Job("a", 0.0), 0.0)
    waiting.take(0.0)
    assert waiting.has_room("b", 5.0)


@pytest.mark.parametrize(("most", "wait"), [(0, 0.0), (1, -1.0)])
def test_impossible_batches_are_refused(most, wait):
    """The message has the keys."""
    with pytest.raises(ValueError, match=r"batch\.max=.*batch\.wait_ms="):
        Waiting(most, wait)
