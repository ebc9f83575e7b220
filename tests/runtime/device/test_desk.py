"""The device's one place to compute."""

import threading

from bottleneck.runtime.device.desk import Desk


def test_frames_that_are_offered_while_one_waits_wait_behind_it():
    """Two patient frames of a lost connection are both worked on, in their order."""
    state, done = threading.Condition(), []
    desk = Desk(state, lambda: state.wait(), done.append)
    with state:
        desk.offer("first")
        desk.offer("second")
        assert desk.has_next
        assert desk.is_taken
    thread = threading.Thread(target=desk.work)
    thread.start()
    with state:
        assert state.wait_for(lambda: not desk.is_taken, 10)
        desk.closed = True
        state.notify_all()
    thread.join()
    assert done == ["first", "second"]
