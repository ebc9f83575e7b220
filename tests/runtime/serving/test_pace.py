"""What a server announces and enforces."""

import pytest

from bottleneck.runtime.serving.pace import Allowance, Pace


def test_every_frame_has_a_turn_of_its_own():
    """Frames that come at once go on one after another; a batch counts by its frames."""
    pace = Pace(share=0.5)
    for _ in range(3):
        pace.observe(frames=4, seconds=0.08)
    first = [pace.interval(10.0) for _ in range(3)]
    assert first == pytest.approx([0.04, 0.08, 0.12])
    again = [now + pace.interval(now) for now in (10.04, 10.08, 10.12)]  # each in its turn
    assert again == pytest.approx([10.16, 10.2, 10.24])
    assert pace.interval(20.0) == pytest.approx(0.04)  # turns that nobody took are over


def test_a_single_slow_batch_changes_nothing():
    """Nobody has to wait because one batch was slow, the first one included."""
    pace = Pace(share=1.0)
    assert pace.interval(0.0) == 0.0
    for seconds in (3.0, 0.01, 0.01, 0.01, 2.0):
        pace.observe(1, seconds)
    assert pace.interval(1.0) == pytest.approx(0.01)


def test_one_frame_may_come_early_but_not_a_stream():
    """A frame that the link delayed is no offence; a device that goes on too fast is held to its interval."""
    allowance = Allowance()
    taken = [
        allowance.admits(now / 100, interval=0.1) for now in range(100)
    ]  # ten times too fast, for a second
    assert taken[0]
    assert 10 <= sum(taken) <= 11
    late = Allowance()
    assert all(late.admits(now, interval=0.1) for now in (0.0, 0.19, 0.2, 0.3, 0.49, 0.5))


def test_a_device_is_held_to_what_it_was_told_last():
    """Where others have left and its turns come soon, the long interval before is no measure any more."""
    allowance = Allowance()
    assert allowance.admits(0.0, interval=1.0)
    assert allowance.admits(1.0, interval=0.1)
    assert allowance.admits(1.1, interval=0.1)
    assert allowance.admits(1.2, interval=0.1)
    early = Allowance()
    assert early.admits(0.0, interval=1.0)
    assert early.admits(0.5, interval=0.1)  # by half of what it was told
    assert not early.admits(0.8, interval=0.1)
