"""Frames of many devices that wait for the worker, and leave together.

    frames ──► Waiting: at most the next batch, at most one frame of a device ──► worker

What waits here gets old: a newer frame of a device takes the place of its older one, and a frame that finds
the next batch full, or would make the oldest in it wait too long, is refused. Everything is a function of
the time that is passed in.
"""

import math
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

_LONGEST_WAIT = 60  # seconds; every device has given up by then


class Job(Protocol):
    """What waits: a frame of some device."""

    @property
    def device(self) -> Hashable: ...

    @property
    def arrived(self) -> float: ...


JobT = TypeVar("JobT", bound=Job)


class Waiting(Generic[JobT]):
    """The next batch.

    Args:
        max_batch: Most frames of a batch.
        max_wait: Seconds that the first frame waits for company while the worker is idle.
        patience: A larger batch pays as long as it takes at most so many times what one frame takes.
        oldest: A frame that waits is answered within so many times what one frame takes, beyond `max_wait`.
    """

    def __init__(self, max_batch: int, max_wait: float = 0.0, patience: float = 1.5, oldest: float = 2.0):
        if max_batch < 1 or not 0 <= max_wait <= _LONGEST_WAIT:
            raise ValueError(
                f"batch.max={max_batch} and batch.wait_ms={1000 * max_wait:g} make no batch. "
                f"Use at least 1 frame, and 0 to {1000 * _LONGEST_WAIT} ms."
            )
        self._max_batch, self._max_wait, self._patience, self._oldest = max_batch, max_wait, patience, oldest
        self._seconds: dict[int, float] = {}  # mean time of a batch, by its frames
        self._jobs: dict[Hashable, JobT] = {}
        self._free = -math.inf  # when the batch in progress should end

    @property
    def size(self) -> int:
        """Most frames of the next batch: one more than any that was tried, as long as that pays."""
        size, most = 1, self._patience * self._seconds.get(1, math.inf)
        while size < self._max_batch and size in self._seconds and self._seconds.get(size + 1, 0.0) <= most:
            size += 1
        return size

    def __len__(self) -> int:
        return len(self._jobs)

    def has_room(self, device: Hashable, now: float) -> bool:
        """Whether a frame that comes now may wait."""
        if device in self._jobs:
            return True
        frames = len(self._jobs) + 1
        if frames > self.size:
            return False
        age = max(self._free, now) + self._expected(frames) - self._oldest_arrived(now)
        return age <= self._max_wait + self._oldest * self._seconds.get(1, math.inf)

    def add(self, job: JobT, now: float) -> JobT | None:
        """Let a frame wait; returns the one that has to give way: this device's older one, or this one."""
        if not self.has_room(job.device, now):
            return job
        older = self._jobs.pop(job.device, None)
        self._jobs[job.device] = job
        return older

    def due(self, now: float) -> float:
        """Seconds until an idle worker should take the batch; infinity while there is none."""
        if not self._jobs:
            return math.inf
        if len(self._jobs) >= self.size:
            return 0.0
        return max(0.0, self._oldest_arrived(now) + self._max_wait - now)

    def take(self, now: float) -> list[JobT]:
        """The batch, in the order in which the frames came; the worker begins with it now."""
        jobs = list(self._jobs.values())
        self._jobs.clear()
        self._free = now + self._expected(len(jobs))
        return jobs

    def observe(self, frames: int, seconds: float) -> None:
        """A batch of so many frames took so long."""
        self._seconds[frames] = 0.8 * self._seconds.get(frames, seconds) + 0.2 * seconds
        for size in self._seconds:
            if size > frames:  # what did not pay is tried again, once in some hundred batches
                self._seconds[size] *= 0.9999

    def _expected(self, frames: int) -> float:
        """Seconds of a batch: of one that was never tried, what one frame less took."""
        return self._seconds.get(frames, self._seconds.get(frames - 1, 0.0))

    def _oldest_arrived(self, now: float) -> float:
        return min((job.arrived for job in self._jobs.values()), default=now)
