"""How a link's bandwidth changes: recorded or made up, for simulations and emulated links.

A trace file is CSV with a line of names: `seconds,bandwidth`, the bandwidth in bytes per second from then on.
"""

import csv
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

_COLUMNS = ["seconds", "bandwidth"]


@dataclass(frozen=True)
class Trace:
    """A bandwidth that changes in steps; the last one lasts.

    Attributes:
        seconds: When each step begins, from 0 on, rising.
        bandwidths: Bytes per second of each step; 0 while the link is down.

    Raises:
        ValueError: If times do not rise from 0, or a bandwidth is negative or no number.
    """

    seconds: Sequence[float]
    bandwidths: Sequence[float]

    def __post_init__(self) -> None:
        times, rates = np.asarray(self.seconds, float), np.asarray(self.bandwidths, float)
        if times.shape != rates.shape or times.ndim != 1 or not times.size:
            raise ValueError(
                f"a trace has one bandwidth for each time; these are {times.size} and {rates.size}."
            )
        if times[0] != 0 or not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
            raise ValueError("the times of a trace rise from 0 s; sort them, and begin at 0.")
        if not (np.isfinite(rates) & (rates >= 0)).all():
            raise ValueError("the bandwidths of a trace are bytes per second, 0 or more.")

    def at(self, now: float) -> float:
        """The bandwidth at a time."""
        return self.bandwidths[max(0, bisect_right(self.seconds, now) - 1)]

    def through(self, begin: float, size: float) -> float:
        """When the last of `size` bytes has left that begin to leave at a time; infinite if never."""
        step = max(0, bisect_right(self.seconds, begin) - 1)
        now, left = begin, float(size)
        while True:
            end = self.seconds[step + 1] if step + 1 < len(self.seconds) else math.inf
            rate = self.bandwidths[step]
            if left <= rate * (end - now) or left == 0:
                return now + (left / rate if left else 0.0)
            if math.isinf(end):
                return math.inf
            left, now, step = left - rate * (end - now), end, step + 1

    def interrupted(self, outages: Sequence[tuple[float, float]]) -> Self:
        """The same, but nothing gets through during outages.

        Args:
            outages: From when to when each lasts, in seconds.

        Raises:
            ValueError: If one is no time from 0 s on.
        """
        for begin, end in outages:
            if not 0 <= begin < end < math.inf:
                raise ValueError(
                    f"an outage goes from 0 s or later to a later time; {begin} to {end} does not."
                )
        edges = sorted({*self.seconds, *(edge for outage in outages for edge in outage)})
        rates = [
            0.0 if any(begin <= edge < end for begin, end in outages) else self.at(edge) for edge in edges
        ]
        return type(self)(edges, rates)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a trace file.

        Raises:
            FileNotFoundError: If it is missing.
            ValueError: If it is none; the message names the file.
        """
        with path.open(newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
        try:
            if header != _COLUMNS:
                raise ValueError(f"its first line is {','.join(header)!r}, not {','.join(_COLUMNS)!r}")
            return cls(*zip(*((float(seconds), float(rate)) for seconds, rate in rows), strict=True))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is no trace: {error}") from error

    def write(self, path: Path) -> None:
        """Write a trace file."""
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([_COLUMNS, *zip(self.seconds, self.bandwidths, strict=True)])

    @classmethod
    def wandering(
        cls, median: float, spread: float, memory: float, seconds: float, step: float = 0.1, seed: int = 0
    ) -> Self:
        """A mobile link: the logarithm of its bandwidth is a first-order autoregression.

        Args:
            median: Bytes per second.
            spread: Standard deviation of the logarithm; 0.8: mostly within a factor of five.
            memory: Seconds after which 1/e of a deviation is left.
            seconds: How long it is.
            step: Seconds between two changes.
            seed: Of the draws.
        """
        rng, kept = np.random.default_rng(seed), math.exp(-step / memory)
        deviation, bandwidths = 0.0, []
        for _ in range(round(seconds / step)):
            deviation = kept * deviation + math.sqrt(1 - kept**2) * spread * float(rng.standard_normal())
            bandwidths.append(median * math.exp(deviation))
        return cls([step * number for number in range(len(bandwidths))], bandwidths)
