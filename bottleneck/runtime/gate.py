"""When a device may send: never a frame while an earlier one is on its way.

    offered ──► would it wait for the gate longer than the head takes? ──► dropped, before the head runs
                │ no
                head ──► gate: the last frame is confirmed, and the server's interval is over ──► sent

No transport does this: gRPC takes ten thousand frames without a word, and answers come half an hour late.
Everything here is a function of the time that is passed in.
"""

import math


class Gate:
    """One device's gate.

    Attributes:
        interval: Seconds that the server wants between two frames.
    """

    def __init__(self) -> None:
        self.interval = 0.0
        self._sent = -math.inf
        self._unreceived = 0
        self._frame: int | None = None
        self._expected = 0.0

    @property
    def unreceived(self) -> int:
        """Bytes that have left and are not confirmed."""
        return self._unreceived

    def is_open(self, now: float) -> bool:
        """Whether a frame may leave."""
        return self._unreceived == 0 and now >= self._sent + self.interval

    def wait(self, now: float) -> float:
        """Seconds until the gate should open; a confirmation that is overdue may take as long again."""
        wait = self._sent + self.interval - now
        if self._unreceived:
            wait = max(wait, abs(self._expected - now))
        return max(0.0, wait)

    def drops(self, now: float, head: float) -> bool:
        """Whether a frame offered now would wait.

        Args:
            now: The time.
            head: Seconds that the device is expected to compute before it could send.
        """
        return not self.is_open(now) and head < self.wait(now)

    def sent(self, frame: int, nbytes: int, now: float, expected: float, paced: bool = True) -> None:
        """A frame has left.

        Args:
            frame: Its id.
            nbytes: Bytes of its message.
            now: The time.
            expected: Seconds until its confirmation, by the estimate of the link.
            paced: Whether the server's interval begins with it: not with a probe.
        """
        self._frame, self._unreceived = frame, nbytes
        self._expected = now + expected
        if paced:
            self._sent = now

    def confirmed(self, frame: int, received: int, interval: float) -> bool:
        """A confirmation has come; returns whether it was that of the frame on its way."""
        if frame != self._frame:  # late, or twice
            return False
        self.interval = interval
        self._unreceived = max(0, self._unreceived - received)
        return True
