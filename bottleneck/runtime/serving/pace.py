"""How often each device may send: what the server announces, and what it enforces.

Everything here is a function of the time that is passed in.
"""

import math
import random
from collections import deque
from statistics import median


class Allowance:
    """Holds one device to its intervals.

    A frame that the link has delayed comes close before the next one, so one frame may come early; a device
    that goes on sending too fast is refused (generic cell rate algorithm, ITU-T I.371).
    """

    def __init__(self) -> None:
        self._due, self._interval = -math.inf, 0.0

    def admits(self, now: float) -> bool:
        """Whether a frame may come now."""
        return now >= self._due - self._interval

    def wait(self, now: float) -> float:
        """Seconds until a frame may come, in its turn."""
        return max(0.0, self._due - now)

    def told(self, now: float, interval: float) -> None:
        """With the frame that came now its device was told the seconds to the next one."""
        self._due, self._interval = max(now, self._due) + interval, interval


class Pace:
    """A turn for every frame, so that all devices together are just what the worker can do.

    A device is told when its next turn is as its frame comes, so frames of different devices do not meet at
    the worker: of those that come at random a third would find it taken. Cameras have a rhythm of their own,
    so those that have met once would meet again: who finds the worker taken comes back at a random time
    before its turn would be.

    Args:
        share: Part of the worker's time that is given away; the rest absorbs what is not regular.
        window: Batches whose median counts, so that a single slow one tells nobody to wait.
        lost: Part of a turn that is gone when a frame finds the worker taken. With 1 more of the worker's
            time stays unused where devices miss their turns; with 0 they all come at once.
    """

    def __init__(self, share: float = 0.95, window: int = 9, lost: float = 0.5):
        self._share, self._lost = share, lost
        self._frame_seconds: deque[float] = deque(maxlen=window)
        self._last_turn = -math.inf
        self._random = random.Random(0)

    def observe(self, frames: int, seconds: float) -> None:
        """A batch of so many frames took so long."""
        self._frame_seconds.append(seconds / frames)

    def interval(self, now: float, is_taken: bool = True) -> float:
        """Seconds from a frame that comes now to its device's next one; 0 until three batches were seen.

        Args:
            now: The time.
            is_taken: Whether this one will be answered.
        """
        if len(self._frame_seconds) < 3:
            return 0.0
        turn = median(self._frame_seconds) / self._share
        self._last_turn = max(self._last_turn, now) + (turn if is_taken else self._lost * turn)
        until_last = self._last_turn - now
        return until_last if is_taken else max(turn, self._random.uniform(0, until_last))
