"""How often each device may send: what the server announces, and what it enforces.

Everything here is a function of the time that is passed in.
"""

import math
from collections import deque
from statistics import median


class Allowance:
    """Holds one device to its intervals.

    A frame that the link has delayed comes close before the next one, so one frame may come early; a device
    that goes on sending too fast is refused (generic cell rate algorithm, ITU-T I.371).
    """

    def __init__(self) -> None:
        self._due, self._interval = -math.inf, 0.0

    def admits(self, now: float, interval: float) -> bool:
        """Whether a frame that comes now is taken.

        Args:
            now: The time.
            interval: Seconds to the next one, as they are announced with this one.
        """
        if now < self._due - self._interval:
            return False
        self._due, self._interval = max(now, self._due) + interval, interval
        return True


class Pace:
    """A turn for every frame, so that all devices together are just what the worker can do.

    A device is told when its next turn is as its frame comes, so frames of different devices do not meet at
    the worker: of those that come at random a third would find it taken.

    Args:
        share: Part of the worker's time that is given away; the rest absorbs what is not regular.
        window: Batches whose median counts, so that a single slow one tells nobody to wait.
    """

    def __init__(self, share: float = 0.95, window: int = 9):
        self._share = share
        self._frame_seconds: deque[float] = deque(maxlen=window)
        self._last_turn = -math.inf

    def observe(self, frames: int, seconds: float) -> None:
        """A batch of so many frames took so long."""
        self._frame_seconds.append(seconds / frames)

    def interval(self, now: float) -> float:
        """Seconds from a frame that comes now to its device's next turn; 0 until three batches were seen."""
        if len(self._frame_seconds) < 3:
            return 0.0
        self._last_turn = max(self._last_turn, now) + median(self._frame_seconds) / self._share
        return self._last_turn - now
