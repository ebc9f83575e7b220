"""What frames call their points: one byte for each point that a device has asked for.

    asked for ──► the number that it has, or else the one that has been free for longest
    none is free ──► those of points that are out of use are taken back: `generation` counts

A number that was taken back may soon mean another point, so whoever was told numbers has to ask again.
"""

from collections import deque
from collections.abc import Collection

MOST = 256  # a byte, as in a frontier's payload


class Numbers:
    """The numbers of one server.

    Attributes:
        generation: Counts how often numbers were taken back.
    """

    def __init__(self) -> None:
        self._given: dict[str, int] = {}  # oldest first
        self._free = deque(range(MOST))
        self.generation = 0

    def of(self, key: str, used: Collection[str]) -> int:
        """The number of a point.

        Args:
            key: What was asked for.
            used: Points that keep theirs where all are given; fewer than `MOST`.
        """
        if key not in self._given:
            if not self._free:
                self._take_back(used)
            self._given[key] = self._free.popleft()
        return self._given[key]

    def key(self, number: int) -> str | None:
        """What a number was given for; `None` where it was not."""
        return next((key for key, known in self._given.items() if known == number), None)

    def _take_back(self, used: Collection[str]) -> None:
        self._free.extend(number for key, number in self._given.items() if key not in used)
        self._given = {key: number for key, number in self._given.items() if key in used}
        self.generation += 1
