"""What has left the device and is not answered: the gate, the estimate of the link, and when to give up.

    sent ──► confirmed ──► answered            a probe is answered by its confirmation
      └──────────┴──► overdue: the link is dead

Everything here is a function of the time that is passed in.
"""

from typing import Generic, TypeVar

from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.gate import Gate
from bottleneck.runtime.link import Link

T = TypeVar("T")

_LONGEST_EXPECTED = 30.0  # seconds; beyond that an estimate is no reason to wait


class Uplink(Generic[T]):
    """One connection's way up.

    Args:
        estimator: Watches the link; it outlives the connection.
        timeout: Seconds that an answer may take beyond what the link is expected to.

    Attributes:
        gate: Whether a frame may leave.
        last_sent: When the last message left.
    """

    def __init__(self, estimator: Estimator, timeout: float):
        self.gate = Gate()
        self.last_sent = float("-inf")
        self._estimator, self._timeout = estimator, timeout
        self._frames: dict[int, T] = {}
        self._deadlines: dict[int, float] = {}

    @property
    def is_empty(self) -> bool:
        """Whether every frame was answered."""
        return not self._frames

    def link(self, now: float) -> Link:
        """The link as it is believed to be."""
        return self._estimator.link(now)

    def sent(self, number: int, nbytes: int, now: float, frame: T | None = None) -> None:
        """A message has left; a probe carries no frame."""
        expected = min(_LONGEST_EXPECTED, self.link(now).ms(nbytes) / 1000)
        self.gate.sent(number, nbytes, now, expected)
        self._estimator.sent(number, nbytes, now)
        self._deadlines[number] = now + expected + self._timeout
        self.last_sent = now
        if frame is not None:
            self._frames[number] = frame

    def confirmed(
        self, number: int, received: int, interval: float, now: float, held: float = 0.0
    ) -> T | None:
        """The server says that a message has arrived, and how far apart frames should be.

        Args:
            number: Of the message.
            received: Its bytes.
            interval: Seconds between two frames.
            now: The time.
            held: Seconds that the server has waited before it said so, which the link has not taken.

        Returns:
            The frame, if the message has one that is not answered yet.
        """
        self.gate.confirmed(number, received, interval)
        self._estimator.confirmed(number, received, now - held)
        if number not in self._frames:
            self._deadlines.pop(number, None)
        return self._frames.get(number)

    def answered(self, number: int) -> T | None:
        """A result or refusal has come; the frame that it belongs to, once."""
        self._deadlines.pop(number, None)
        return self._frames.pop(number, None)

    def patience(self, now: float) -> float:
        """Seconds until something is overdue, negative afterwards."""
        return min(self._deadlines.values(), default=float("inf")) - now

    def lost(self) -> list[T]:
        """The connection is gone; the frames that were on their route. The next connection begins anew."""
        frames = list(self._frames.values())
        self._frames.clear()
        self._deadlines.clear()
        self.gate = Gate()
        return frames
