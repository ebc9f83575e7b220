"""A stream on a simulated clock: frames at a constant rate through a link that follows a trace.

    offered ──► device busy, or something on its way? ──► dropped
                │ no
                device ──► link, first in first out ──► confirmed, and worked on by the server ──► answered

What frames take is drawn from what was measured, the same for every pilot; nothing sleeps or opens a socket.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np

from bottleneck.runtime.controller import Controller
from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.prober import Prober
from bottleneck.runtime.strategy import Strategy
from bottleneck.runtime.traces import Trace


class Pilot(Protocol):
    """Whoever chooses strategies for a stream, and is told what became of it."""

    def choose(self, now: float) -> Strategy:
        """The strategy for a frame that is offered now."""

    def clear(self, now: float) -> bool:
        """Whether a message may leave."""

    def probe(self, now: float) -> int | None:
        """Bytes of a probe that should leave, if any."""

    def sent(self, number: int, size: int, now: float) -> None:
        """A message begins to leave."""

    def confirmed(self, number: int, size: int, now: float) -> None:
        """It has arrived."""


class Fixed:
    """One strategy, whatever the link does; each frame waits until the one before has arrived."""

    def __init__(self, strategy: Strategy):
        self._strategy = strategy
        self._in_flight = 0

    def choose(self, now: float) -> Strategy:
        return self._strategy

    def clear(self, now: float) -> bool:
        return self._in_flight == 0

    def probe(self, now: float) -> int | None:
        return None

    def sent(self, number: int, size: int, now: float) -> None:
        self._in_flight += 1

    def confirmed(self, number: int, size: int, now: float) -> None:
        self._in_flight -= 1


class Oracle(Fixed):
    """Knows the trace: each frame takes the strategy that answers first.

    Args:
        strategies: All that reach the metric.
        trace: The link.
        rtt: Seconds.
    """

    def __init__(self, strategies: Sequence[Strategy], trace: Trace, rtt: float):
        super().__init__(strategies[0])
        self._strategies, self._trace, self._rtt = strategies, trace, rtt

    def choose(self, now: float) -> Strategy:
        return min(self._strategies, key=lambda strategy: self._answered(strategy, now))

    def _answered(self, strategy: Strategy, now: float) -> float:
        ready = now + strategy.device_ms.median / 1000
        if strategy.kind == "device":
            return ready
        return self._trace.through(ready, strategy.sent_bytes) + self._rtt + strategy.server_ms.median / 1000


class Autopilot:
    """The real thing: estimator, controller and probes."""

    def __init__(self, estimator: Estimator, controller: Controller, prober: Prober):
        self.estimator, self.controller, self.prober = estimator, controller, prober
        self.sent, self.confirmed, self.clear = estimator.sent, estimator.confirmed, estimator.clear
        self.probe = prober.size

    def choose(self, now: float) -> Strategy:
        return self.controller.choose(self.estimator.link(now), now)


@dataclass
class Course:
    """What became of a stream.

    Attributes:
        offered: When each frame was offered, in seconds.
        chosen: What it took; `None` where it was dropped.
        answers: When a frame was offered and answered, for all that were.
        sent_bytes: Of frames and probes together; `probe_bytes` of the latter.
    """

    offered: list[float] = field(default_factory=list)
    chosen: list[str | None] = field(default_factory=list)
    answers: list[tuple[float, float]] = field(default_factory=list)
    sent_bytes: int = 0
    probe_bytes: int = 0

    @property
    def delays_ms(self) -> list[float]:
        """Milliseconds from each offered frame to the first answer that is about it or a later one.

        The latency of a frame that was taken, unless a later one overtook it; the wait for news where it was
        dropped. Without frames behind the last one that was answered.
        """
        answers = sorted(self.answers, reverse=True)
        found, earliest, position = [], math.inf, 0
        for now in reversed(self.offered):
            while position < len(answers) and answers[position][0] >= now:
                earliest = min(earliest, answers[position][1])
                position += 1
            if math.isfinite(earliest):
                found.append(1000 * (earliest - now))
        return found[::-1]

    @property
    def switches(self) -> int:
        """How often a frame took another strategy than the one before it that was taken."""
        taken = [name for name in self.chosen if name is not None]
        return sum(before != after for before, after in pairwise(taken))


def simulate(
    pilot: Pilot, trace: Trace, rtt: float, seconds: float, rate: float = 10.0, seed: int = 0
) -> Course:
    """Run a stream.

    Args:
        pilot: Chooses.
        trace: The link's bandwidth.
        rtt: Its round trip, in seconds.
        seconds: How long frames are offered.
        rate: Frames per second.
        seed: Of the draws of what each frame takes.
    """
    course, draws = Course(), np.random.default_rng(seed).random(round(seconds * rate))
    device_free = link_free = 0.0
    confirmations: list[tuple[float, int, int]] = []

    def send(number: int, size: int, now: float) -> float:
        """When the last byte is at the server."""
        nonlocal link_free
        pilot.sent(number, size, now)
        link_free = trace.through(max(now, link_free), size)
        course.sent_bytes += size
        if math.isfinite(link_free):
            heapq.heappush(confirmations, (link_free + rtt, number, size))
        return link_free + rtt / 2

    for frame, draw in enumerate(draws.tolist()):
        now = frame / rate
        while confirmations and confirmations[0][0] <= now:
            arrived, number, size = heapq.heappop(confirmations)
            pilot.confirmed(number, size, arrived)
        strategy = pilot.choose(now)
        taken = now >= device_free and (strategy.kind == "device" or pilot.clear(now))
        course.offered.append(now)
        course.chosen.append(strategy.name if taken else None)
        if taken:
            device_free = now + _drawn(strategy.device_ms.samples, draw) / 1000
            if strategy.kind == "device":
                course.answers.append((now, device_free))
            else:
                there = send(2 * frame, round(_drawn(strategy.payload_bytes.samples, draw)), device_free)
                answered = there + _drawn(strategy.server_ms.samples, draw) / 1000 + rtt / 2
                if math.isfinite(answered):
                    course.answers.append((now, answered))
        if (probe := pilot.probe(now)) is not None:
            course.probe_bytes += probe
            send(2 * frame + 1, probe, now)
    return course


def _drawn(samples: Sequence[float], draw: float) -> float:
    """The sample of an image that `draw`, in [0, 1), stands for."""
    return samples[int(draw * len(samples))]
