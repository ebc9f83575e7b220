"""What has left and is not answered, over several connections."""

import pytest

from bottleneck.runtime.device.uplink import MOST_LOST, Uplink
from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.link import Link


def test_a_new_connection_is_as_patient_as_the_first():
    """What was lost with the connections before says nothing of how long a frame takes on this one."""
    uplink = Uplink(Estimator(Link(1e6, 0.05)), timeout=2.0)
    for number, now in enumerate((0.0, 3.0, 6.0, 9.0)):
        uplink.sent(number, 1000, now, "frame")
        assert uplink.patience(now) == pytest.approx(2.051)
        assert uplink.lost() == ["frame"]


def test_only_frames_of_which_nothing_arrived_make_it_deaf():
    """A part of a frame says that datagrams get through."""
    uplink = Uplink(Estimator(Link(1e6, 0.05)), timeout=2.0)
    for _ in range(MOST_LOST - 1):
        uplink.arrived(False)
    assert not uplink.is_deaf
    uplink.arrived(True)
    for _ in range(MOST_LOST):
        assert not uplink.is_deaf
        uplink.arrived(False)
    assert uplink.is_deaf
