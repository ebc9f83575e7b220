"""Frames on their way through the device and the link, and the records of those that have ended.

    Underway ──► answered by the server, finished alone, or dropped ──► Record ──► journal, and whoever asks

Whoever uses these holds the client's state.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bottleneck.runtime.device.routes import ALONE, Route
from bottleneck.runtime.journal import Journal, Record
from bottleneck.runtime.messages import Result

_KEPT = 10_000  # records that nobody has asked for


@dataclass
class Underway:
    """A frame that is offered, computed or sent.

    Attributes:
        record: What is known of it so far.
        image: What was captured.
        captured: When.
        route: How it is to be answered.
        patient: Whether it does not get old, so that it is sent again rather than dropped.
        unsure: Where the server was not sure of its answer: what was sent first, and that answer.
        finished: Whether it has ended.
    """

    record: Record
    image: Any
    captured: float
    route: Route
    patient: bool = False
    unsure: tuple[Route, Result] | None = None
    finished: bool = False

    def again(self, route: Route) -> None:
        """Begin anew, on a route; nothing that was measured counts."""
        self.record, self.route, self.unsure = Record(self.record.id), route, None

    def further(self, answered: Result, route: Route) -> None:
        """Go on, on another route, from an answer that is not sure; what was measured is added to."""
        self.unsure, self.route = (self.route, answered), route


class Ended:
    """Completes the records of frames, and keeps them until somebody asks.

    Args:
        journal: Where every frame is written; `None`: nowhere.
        bandwidth: The link's, in bytes a second, as it is believed to be.
        changed: Called when a frame has ended.
    """

    def __init__(self, journal: Journal | None, bandwidth: Callable[[], float], changed: Callable[[], None]):
        self._journal, self._bandwidth, self._changed = journal, bandwidth, changed
        self._records: deque[Record] = deque(maxlen=_KEPT)

    def taken(self) -> list[Record]:
        """The records since the last call."""
        records = list(self._records)
        self._records.clear()
        return records

    def answered(self, frame: Underway, result: Result, now: float) -> None:
        """The server has answered a frame."""
        record = frame.record
        record.server_ms = result.server_time / 1000
        if frame.unsure is not None:
            frame.route, unsure = frame.unsure
            record.server_ms += unsure.server_time / 1000
            record.asked_again = True
        record.age_ms = 1000 * (now - frame.captured)
        record.link_ms = max(0.0, record.age_ms - (record.device_ms or 0.0) - record.server_ms)
        record.answer = result.answer
        if record.packets is not None:
            record.concealed = result.concealed / 1000
        self._add(frame)

    def alone(self, frame: Underway, answer: Any, started: float, now: float) -> None:
        """The device has answered a frame that it began to work on at `started`."""
        frame.route, record = ALONE, frame.record
        record.device_ms, record.age_ms = 1000 * (now - started), 1000 * (now - frame.captured)
        record.answer = answer
        self._add(frame)

    def dropped(self, frame: Underway, reason: str, now: float) -> None:
        """A frame will have no answer, or none but the one that is not sure."""
        if frame.unsure is not None:
            (frame.route, answer), frame.unsure = frame.unsure, None
            self.answered(frame, answer, now)
            return
        frame.record.dropped, frame.record.reason = True, reason
        self._add(frame)

    def _add(self, frame: Underway) -> None:
        frame.finished = True
        record, route = frame.record, frame.route
        record.strategy, record.split, record.point = route.name, route.split, route.point
        record.bandwidth = self._bandwidth()
        self._records.append(record)
        if self._journal is not None:
            self._journal.add(record, frame.image)
        self._changed()
