"""Times are wall-clock medians."""

import time

import pytest

from bottleneck.measure.timing import median_ms, processor_ms


@pytest.fixture
def sleep(monkeypatch):
    """Moves the clock by so many seconds; nothing else does, however busy the machine is."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return lambda seconds: now.append(now.pop() + seconds)


def test_median_of_calls_in_milliseconds(sleep):
    """Two slow calls of five do not move the median, and the unit is milliseconds."""
    assert median_ms(sleep, [0.01, 0.01, 0.2, 0.01, 0.2], warm_up=0) == pytest.approx(10)


def test_warm_up_is_not_timed(sleep):
    """What only the first call pays (compilation) is not counted."""
    calls = []

    def slow_at_first(_):
        calls.append(0)
        sleep(0.1 if len(calls) == 1 else 0.001)

    assert median_ms(slow_at_first, [0]) == pytest.approx(1)
    assert len(calls) == 3


def test_processor_time_leaves_out_waiting():
    """A call that sleeps takes no processor time; one that counts does, in milliseconds."""
    assert processor_ms(lambda: time.sleep(0.05), 3) < 25
    assert processor_ms(lambda: sum(range(3_000_000)), 3) > 5
