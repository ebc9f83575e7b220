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


def test_who_finds_the_worker_taken_comes_back_at_a_random_time_before_its_turn():
    """Devices that met once do not meet again; half of the turn that was lost is given to somebody else."""
    pace = Pace(share=1.0, lost=0.5)
    for _ in range(3):
        pace.observe(frames=1, seconds=0.1)
    turns = [pace.interval(0.0) for _ in range(20)]
    assert turns[-1] == pytest.approx(2.0)
    others = [pace.interval(0.0, is_taken=False) for _ in range(20)]
    assert all(0.1 <= interval <= 3.0 for interval in others)
    assert len({round(interval, 3) for interval in others}) > 15
    assert pace.interval(0.0) == pytest.approx(2.0 + 20 * 0.05 + 0.1)


def _times_taken(times: list[float], interval: float) -> list[float]:
    allowance, taken = Allowance(), []
    for now in times:
        if allowance.admits(now):
            allowance.told(now, interval)
            taken.append(now)
    return taken


def test_one_frame_may_come_early_but_not_a_stream():
    """A frame that the link delayed is no offence; a device that goes on too fast is held to its interval."""
    taken = _times_taken([now / 100 for now in range(100)], 0.1)  # ten times too fast, for a second
    assert taken[0] == 0.0
    assert 10 <= len(taken) <= 11
    late = [0.0, 0.19, 0.2, 0.3, 0.49, 0.5]
    assert _times_taken(late, 0.1) == late


def test_who_comes_too_early_is_told_how_long_to_wait():
    """Its turn stays where it was."""
    allowance = Allowance()
    allowance.told(0.0, 1.0)
    allowance.told(0.5, 1.0)
    assert not allowance.admits(0.7)
    assert allowance.wait(0.7) == pytest.approx(1.3)
    assert allowance.wait(5.0) == 0.0


def test_a_device_is_held_to_what_it_was_told_last():
    """Where others have left and its turns come soon, the long interval before is no measure any more."""
    allowance = Allowance()
    for now, interval in ((0.0, 1.0), (1.0, 0.1), (1.1, 0.1), (1.2, 0.1)):
        assert allowance.admits(now)
        allowance.told(now, interval)
    early = Allowance()
    early.told(0.0, 1.0)
    assert early.admits(0.5)  # by half of what it was told
    early.told(0.5, 0.1)
    assert not early.admits(0.8)
