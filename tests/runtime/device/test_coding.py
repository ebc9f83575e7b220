"""What a payload takes by experience, on a clock that is passed in."""

import threading

import pytest

from bottleneck.runtime.device.coding import Coding
from bottleneck.runtime.device.frames import Underway
from bottleneck.runtime.device.routes import Fixed
from bottleneck.runtime.journal import Record

ROUTE, OTHER = Fixed("layer2-0", "layer2", 0, "a"), Fixed("layer2-1", "layer2", 1, "b")


class Timed:
    """A half that takes as long as an image says, on a clock of its own."""

    def __init__(self):
        self.now = 0.0

    def payload(self, image, route):
        self.now += image
        return b"payload"

    def packets(self, payload, route):
        return [payload]

    def refresh(self, route):
        self.now += 0.001


@pytest.fixture
def after():
    """What payloads of a route are expected to take behind frames that took so long."""

    def expected(*times, route=ROUTE):
        half = Timed()
        coding = Coding(half, threading.Condition(), lambda: half.now)
        for number, seconds in enumerate(times):
            coding.packets(Underway(Record(number), seconds, 0.0, ROUTE))
        return coding.seconds(route)

    return expected


def test_the_first_payload_is_no_experience(after):
    """A second in which libraries load is not what the next payloads are expected to take."""
    assert after() == after(1.2) == 0.0
    assert after(1.2, 0.005) == pytest.approx(0.005)
    assert after(1.2, 0.005, route=OTHER) == 0.0


def test_a_slow_moment_changes_nothing(after):
    """The median of the last nine counts: four that were slow are not seen, a device that stays slow is."""
    assert after(1.2, *[0.005] * 5, *[0.9] * 4) == pytest.approx(0.005)
    assert after(1.2, *[0.005] * 9, *[0.9] * 5) == pytest.approx(0.9)
