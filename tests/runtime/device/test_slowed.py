"""A slower device than this machine."""

import time

import pytest

from bottleneck.runtime.device.slowed import Slowed


class Busy:
    """A half that works and waits for so many seconds."""

    routes, network, packing = (), "", None

    def __init__(self, works, waits):
        self._works, self._waits = works, waits

    def alone(self, image):
        time.sleep(self._waits)
        end = time.thread_time() + self._works
        while time.thread_time() < end:
            pass
        return {}


def test_work_is_held_back_and_waiting_is_not():
    """What the processor did takes so many times as long; what waited for others does not."""
    started = time.perf_counter()
    Slowed(Busy(0.02, 0.0), 10).alone(None)
    assert time.perf_counter() - started >= 0.2
    started = time.perf_counter()
    Slowed(Busy(0.0, 0.02), 1000).alone(None)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("factor", [0.5, 1e30, float("nan")])
def test_a_faster_device_is_refused(factor):
    """Nobody can be faster than this machine, and nobody waits for hours."""
    with pytest.raises(ValueError, match="makes no slower device"):
        Slowed(Busy(0, 0), factor)
