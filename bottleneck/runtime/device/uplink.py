"""What has left the device and is not answered: the gate, the estimate of the link, and when to give up.

    sent ──► confirmed ──► answered            a probe is answered by its confirmation
      └──────────┴──► overdue: the link is dead

Everything here is a function of the time that is passed in.
"""

from typing import Generic, TypeVar

from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.gate import Gate
from bottleneck.runtime.link import Link
from bottleneck.runtime.messages import Confirmation

T = TypeVar("T")

_LONGEST_EXPECTED = 30.0  # seconds; beyond that an estimate is no reason to wait
MOST_LOST = 20  # frames in a row of which no datagram arrived, before UDP is taken to be dead


class Uplink(Generic[T]):
    """One connection's way up.

    Args:
        estimator: Watches the link; it outlives the connection.
        timeout: Seconds that an answer may take beyond what the link is expected to.

    Attributes:
        gate: Whether a frame may leave.
        estimator: Watches the link.
    """

    def __init__(self, estimator: Estimator, timeout: float):
        self.gate, self.estimator = Gate(), estimator
        self._timeout = timeout
        self._frames: dict[int, T] = {}
        self._deadlines: dict[int, float] = {}
        self._lost_in_a_row = 0

    @property
    def is_empty(self) -> bool:
        """Whether every frame was answered."""
        return not self._frames

    def link(self, now: float) -> Link:
        """The link as it is believed to be."""
        return self.estimator.link(now)

    def sent(self, number: int, nbytes: int, now: float, frame: T | None = None) -> None:
        """A message has left; a probe carries no frame."""
        expected = min(_LONGEST_EXPECTED, self.link(now).ms(nbytes) / 1000)
        self.gate.sent(number, nbytes, now, expected, paced=frame is not None)
        self.estimator.sent(number, nbytes, now)
        self._deadlines[number] = now + expected + self._timeout
        if frame is not None:
            self._frames[number] = frame

    def confirmed(self, message: Confirmation, now: float) -> T | None:
        """The server says that a message has arrived, and how far apart frames should be.

        Returns:
            The frame, if the message has one that is not answered yet.
        """
        number, held = message.id, message.held / 1e6  # the link has not taken what the server waited
        self.gate.confirmed(number, message.received, message.interval / 1e6)
        self.estimator.confirmed(number, message.received, now - held)
        if number not in self._frames:
            self._deadlines.pop(number, None)
        return self._frames.get(number)

    def answered(self, number: int) -> T | None:
        """A result or refusal of this number has come; the frame that it belongs to, once."""
        self._deadlines.pop(number, None)
        return self._frames.pop(number, None)

    def arrived(self, anything: bool) -> None:
        """Whether anything of a frame that was answered or refused has arrived."""
        self._lost_in_a_row = 0 if anything else self._lost_in_a_row + 1

    @property
    def is_deaf(self) -> bool:
        """Whether nothing of so many frames in a row arrived that nothing will."""
        return self._lost_in_a_row >= MOST_LOST

    def patience(self, now: float) -> float:
        """Seconds until something is overdue, negative afterwards."""
        return min(self._deadlines.values(), default=float("inf")) - now

    def lost(self) -> list[T]:
        """The connection is gone; the frames that were on their route. The next connection begins anew."""
        frames = list(self._frames.values())
        self._frames.clear()
        self._deadlines.clear()
        self.estimator.forget()
        self.gate, self._lost_in_a_row = Gate(), 0
        return frames
