"""Many cameras that want more than the worker can do, on a simulated clock."""

import heapq
import itertools
import random
from dataclasses import dataclass

import numpy as np
import pytest

from bottleneck.runtime.gate import Gate
from bottleneck.runtime.serving.batching import Waiting
from bottleneck.runtime.serving.pace import Allowance, Pace

SERVICE, WIRE = 0.02, 0.0005  # seconds


@dataclass(frozen=True)
class Job:
    device: int
    arrived: float
    offered: float


def overload(cameras: int, times: float, marginal: float, seconds: float = 30.0) -> tuple[list[float], int]:
    """Ages of the answers, and how many frames found the worker taken.

    Args:
        cameras: How many, each with a rhythm of its own.
        times: What they offer together, in what the worker can do one by one.
        marginal: What a further frame of a batch takes, in what one takes.
        seconds: To simulate.
    """
    rng, number = random.Random(1), itertools.count()
    period = cameras * SERVICE / times
    waiting: Waiting[Job] = Waiting(max_batch=8)
    pace, gates = Pace(), [Gate() for _ in range(cameras)]
    allowances = [Allowance() for _ in range(cameras)]
    events: list[tuple[float, int, str, tuple]] = []
    ages, refused, is_busy = [], 0, False

    def later(now: float, kind: str, *what: object) -> None:
        heapq.heappush(events, (now, next(number), kind, what))

    for camera in range(cameras):
        later(period * rng.random(), "offered", camera)
    while True:
        now, frame, kind, what = heapq.heappop(events)
        if now > seconds:
            return ages, refused
        if kind == "offered":
            (camera,) = what
            later(now + period, "offered", camera)
            if not gates[camera].drops(now, head=0.0):
                gates[camera].sent(frame, 100, now, expected=WIRE)
                later(now + WIRE, "arrived", camera, frame, now)
        elif kind == "arrived":
            camera, frame, offered = what
            assert allowances[camera].admits(now)
            has_room = waiting.has_room(camera, now)
            interval = pace.interval(now, has_room)
            allowances[camera].told(now, interval)
            later(now + WIRE, "confirmed", camera, frame, interval)
            refused += not has_room
            if has_room:
                waiting.add(Job(camera, now, offered), now)
        elif kind == "confirmed":
            camera, frame, interval = what
            gates[camera].confirmed(frame, 100, interval)
        else:
            jobs, took = what
            is_busy = False
            waiting.observe(len(jobs), took)
            pace.observe(len(jobs), took)
            ages += [now + WIRE - job.offered for job in jobs]
        if not is_busy and waiting.due(now) == 0:
            jobs, is_busy = waiting.take(now), True
            took = SERVICE * (1 + marginal * (len(jobs) - 1))
            later(now + took, "answered", jobs, took)


@pytest.mark.parametrize("marginal", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("times", [3, 20])
@pytest.mark.parametrize("cameras", [1, 8, 32])
def test_answers_are_fresh_and_the_worker_is_used(cameras, times, marginal):
    """Ages stay below the round trip and twice the service, and most of the worker's time is used."""
    ages, refused = overload(cameras, times, marginal)
    assert np.percentile(ages, 99) <= 2 * WIRE + 2 * SERVICE + 1e-9
    assert len(ages) * SERVICE / 30 > (0.8 if cameras > 1 else 0.6)
    assert refused < 0.6 * len(ages)
