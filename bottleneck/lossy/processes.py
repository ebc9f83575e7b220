"""Which of the things that are sent one after the other are lost: at random, in bursts, or as recorded.

A process goes on from sample to sample, as a link does: a burst may end in the next one. Made anew with the
same seed, it repeats itself, so that methods can be compared on the same losses.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

Lost = NDArray[np.bool_]


class Process(ABC):
    """Draws losses.

    Attributes:
        rate: Share that is lost in the long run.
    """

    rate: float

    @abstractmethod
    def draw(self, count: int) -> Lost:
        """Which of the next `count` are lost."""


class Independent(Process):
    """Each is lost with the same probability, whatever became of the others.

    Args:
        rate: The probability.
        seed: Of the draws.

    Raises:
        ValueError: If the rate is no probability.
    """

    def __init__(self, rate: float, seed: int = 0):
        self.rate = check_rate(rate)
        self._random = np.random.default_rng(seed)

    def draw(self, count: int) -> Lost:
        return self._random.random(count) < self.rate


class GilbertElliott(Process):
    """Bursts: a good state in which nothing is lost, and a bad one in which everything is.

    Args:
        rate: Share that is lost in the long run.
        burst: Mean length of a burst; as long as 1 / (1 - rate) it is `Independent`.
        seed: Of the draws.

    Raises:
        ValueError: If no such process exists.

    Source: Gilbert, "Capacity of a burst-noise channel", BSTJ 1960; Elliott, BSTJ 1963.
    """

    def __init__(self, rate: float, burst: float, seed: int = 0):
        self.rate = check_rate(rate)
        if not burst >= 1 or rate == 1:
            raise ValueError(
                f"burst={burst} at loss_rate={rate}: give a mean of at least 1, and a rate below 1."
            )
        self._ends, self._begins = 1 / burst, rate / (burst * (1 - rate))
        if self._begins > 1 + 1e-9:
            raise ValueError(
                f"burst={burst} is too short for loss_rate={rate}: good times would be below one packet. "
                f"Use a burst of at least {rate / (1 - rate):.3g}."
            )
        self._random = np.random.default_rng(seed)
        self._bad = bool(self._random.random() < rate)

    def draw(self, count: int) -> Lost:
        lost = np.empty(count, dtype=bool)
        for i, uniform in enumerate(self._random.random(count)):
            lost[i] = self._bad
            self._bad = bool(uniform >= self._ends if self._bad else uniform < self._begins)
        return lost


class Trace(Process):
    """What was recorded, from its beginning, and again.

    Args:
        lost: Whether each packet was lost.

    Raises:
        ValueError: If nothing was recorded.
    """

    def __init__(self, lost: Sequence[bool] | Lost):
        self._lost = np.asarray(lost, dtype=bool)
        if not self._lost.size:
            raise ValueError("the trace is empty. Record at least one packet.")
        self.rate = float(self._lost.mean())
        self._next = 0

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """A trace from a text file: 1 where a packet was lost, 0 where it arrived; white space is ignored.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If there is anything else in it.
        """
        file = Path(path).expanduser()
        if not file.is_file():
            raise FileNotFoundError(f"suite.loss.trace={path} is no file. Give a recording of 0 and 1.")
        text = "".join(file.read_text().split())
        if wrong := set(text) - {"0", "1"}:
            raise ValueError(f"{path} has {min(wrong)!r} in it; a trace is 0 (arrived) and 1 (lost).")
        return cls([digit == "1" for digit in text])

    def draw(self, count: int) -> Lost:
        drawn = self._lost.take(np.arange(self._next, self._next + count), mode="wrap")
        self._next = (self._next + count) % self._lost.size
        return drawn


def check_rate(rate: float) -> float:
    """A share as a float.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
        raise ValueError(f"loss_rate={rate!r} is no share of what is sent. Give a number from 0 to 1.")
    return float(rate)
