"""From frames to outcomes, whoever brings them: what waits, the worker's thread, and how fast all may come.

    submit(work) ──► Waiting ──► worker's thread ──► work.finish(outcome)
          │             └ gives way ──► work.finish(busy)
          └── interval: when a device's next frame has its turn, from how long batches took

Everything but the worker runs in one asyncio loop.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bottleneck.runtime.messages import Reason
from bottleneck.runtime.serving.batching import Waiting
from bottleneck.runtime.serving.pace import Pace
from bottleneck.runtime.serving.worker import Coded, Outcome, Worker

_BUSY = Outcome(refusal=(Reason.BUSY, "the next batch is full, or a newer frame of this device has come"))


@dataclass(frozen=True)
class Work:
    """A payload to be answered.

    Attributes:
        device: Whose it is; of one device only the newest waits.
        frame: What there is to decode.
        arrived: When it came, by `time.monotonic`.
        finish: Called once, in the loop, with the outcome.
    """

    device: Hashable
    frame: Coded
    arrived: float
    finish: Callable[[Outcome], None]


class Engine:
    """Runs a worker for many devices.

    Args:
        worker: What answers a batch.
        max_batch: Most frames of a batch.
        max_wait: Seconds that a frame waits for company while the worker is idle.
    """

    def __init__(self, worker: Worker, max_batch: int = 8, max_wait: float = 0.0):
        self._worker = worker
        self._waiting: Waiting[Work] = Waiting(max_batch, max_wait)
        self._pace = Pace()
        self._changed = asyncio.Event()

    def has_room(self, device: Hashable, now: float) -> bool:
        """Whether a device's frame that comes now would be answered while it is fresh."""
        return self._waiting.has_room(device, now)

    def interval(self, now: float, is_taken: bool) -> float:
        """Seconds from a frame that comes now to the next one of its device, so that all can be answered."""
        return self._pace.interval(now, is_taken)

    def submit(self, work: Work) -> None:
        """Take a payload; its `finish` is called sooner or later, at once where it has to give way."""
        if (dropped := self._waiting.add(work, time.monotonic())) is not None:
            dropped.finish(_BUSY)
        self._changed.set()

    async def run(self) -> None:
        """Answer until cancelled."""
        with ThreadPoolExecutor(1, "bottleneck-worker") as thread:
            while True:
                await self._answer(await self._batch(), thread)

    async def _answer(self, jobs: list[Work], thread: ThreadPoolExecutor) -> None:
        """Answer a batch, and keep nothing of it: a device that has left leaves no session here."""
        loop = asyncio.get_running_loop()
        started = time.monotonic()
        outcomes = await loop.run_in_executor(thread, self._worker, [job.frame for job in jobs])
        seconds = time.monotonic() - started
        self._waiting.observe(len(jobs), seconds)
        self._pace.observe(len(jobs), seconds)
        for job, outcome in zip(jobs, outcomes, strict=True):
            loop.call_soon(job.finish, outcome)  # once the next batch has begun

    async def _batch(self) -> list[Work]:
        while (due := self._waiting.due(time.monotonic())) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due if self._waiting else None):
                    await self._changed.wait()
        return self._waiting.take(time.monotonic())
