"""Bandwidths at which one strategy takes over from another.

A strategy that waits for the link takes `b + RTT + D / B`: in 1 / B it is a straight line. Two lines meet at
`B* = (D_i - D_j) / (b_j - b_i)`, and the fastest of many at every bandwidth are their lower envelope.

Source: Ulhaq, BASc thesis, SFU 2020, section 5.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bottleneck.runtime.link import Link
from bottleneck.runtime.strategy import Strategy

_DRAWS = 1000


@dataclass(frozen=True)
class Crossover:
    """Where two strategies are equally fast.

    Attributes:
        below: The faster one below the bandwidth; `above` the one above it.
        bandwidth: Bytes per second.
        interval: 95 % of the bandwidths that resampled images give (percentile bootstrap); infinite where in
            some the first strategy stays the faster one.
    """

    below: str
    above: str
    bandwidth: float
    interval: tuple[float, float]


def crossover(first: Strategy, second: Strategy, rtt: float = 0.0) -> Crossover | None:
    """Where two strategies are equally fast at one round trip; `None` where one always is the faster.

    Args:
        first: A strategy.
        second: Another.
        rtt: Seconds.
    """
    more, less = sorted((first, second), key=lambda s: -s.sent_bytes)
    bandwidth = _meeting(_line(more, rtt), _line(less, rtt))
    if math.isinf(bandwidth):
        return None
    draws = np.array(
        [_meeting(a, b) for a, b in zip(_drawn_lines(more, rtt), _drawn_lines(less, rtt), strict=True)]
    )
    low, high = np.quantile(draws, [0.025, 0.975], method="inverted_cdf")
    return Crossover(less.name, more.name, bandwidth, (float(low), float(high)))


def regions(strategies: Sequence[Strategy], rtt: float = 0.0) -> list[tuple[Strategy, float, float]]:
    """The fastest strategy at every bandwidth: each with the lowest and the highest one at which it is.

    Args:
        strategies: All that may be taken.
        rtt: Seconds.

    Returns:
        By rising bandwidth, from 0 to infinity without a gap.
    """
    lines = {s.name: _line(s, rtt) for s in strategies}
    current = min(strategies, key=lambda s: lines[s.name][::-1])  # on the slowest link the fewest bytes win
    found, low = [], 0.0
    while True:
        later = [
            (_meeting(lines[s.name], lines[current.name]), lines[s.name][0], s)
            for s in strategies
            if lines[s.name][1] > lines[current.name][1]
        ]
        bandwidth, _, successor = min(later, key=lambda one: one[:2], default=(math.inf, 0.0, current))
        found.append((current, low, bandwidth))
        if math.isinf(bandwidth):
            return found
        current, low = successor, bandwidth


def _meeting(more: Sequence[float], less: Sequence[float]) -> float:
    """Bandwidth above which the line with more bytes is the faster one; infinite where it never is."""
    (work_more, bytes_more), (work_less, bytes_less) = more, less
    if bytes_more < bytes_less or work_more >= work_less:
        return math.inf
    return (bytes_more - bytes_less) / (work_less - work_more)


def _line(strategy: Strategy, rtt: float) -> tuple[float, float]:
    """Seconds of work and round trip, and bytes."""
    return strategy.latency_ms(Link(math.inf, rtt)) / 1000, strategy.sent_bytes


def _drawn_lines(strategy: Strategy, rtt: float) -> NDArray[np.float64]:
    """Lines from resampled images, `(draws, 2)`; strategies measured on the same images are drawn alike."""
    waits = strategy.kind != "device"
    device, sizes, server = (
        np.asarray(spread.samples)
        for spread in (strategy.device_ms, strategy.payload_bytes, strategy.server_ms)
    )

    def drawn(samples: NDArray[np.float64]) -> NDArray[np.float64]:
        return samples[np.random.default_rng(0).integers(len(samples), size=(_DRAWS, len(samples)))]

    work = (np.median(drawn(device), axis=1) + np.median(drawn(server), axis=1)) / 1000
    return np.stack([work + rtt * waits, drawn(sizes).mean(axis=1) * waits], axis=1)
