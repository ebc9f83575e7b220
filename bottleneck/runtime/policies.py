"""What is wanted of a strategy: the best metric, the fastest answer, or the fewest bytes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bottleneck.runtime.strategy import Strategy

#: What each policy prefers among the strategies that keep its limits, from a strategy and its latency.
_ORDER: dict[str, Callable[[Strategy, float], tuple[float, float]]] = {
    "latency": lambda strategy, ms: (-strategy.value, ms),
    "accuracy": lambda strategy, ms: (ms, -strategy.value),
    "bytes": lambda strategy, ms: (strategy.sent_bytes, ms),
}


@dataclass(frozen=True)
class Policy:
    """What a strategy is chosen by.

    Attributes:
        name: `latency`: the best metric within the latency; `accuracy`: the least latency at the metric;
            `bytes`: the fewest bytes within both; the device alone sends none.
        latency: Seconds that an answer may take; where no strategy is so fast, the fastest is taken.
        metric: The metric that a strategy must reach, in [0, 1].

    Raises:
        ValueError: If there is no such policy, or a limit is none.
    """

    name: str = "accuracy"
    latency: float = math.inf
    metric: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in _ORDER:
            raise ValueError(f"policy={self.name!r} is unknown. Choose one of {sorted(_ORDER)}.")
        if not isinstance(self.latency, int | float) or not self.latency > 0:
            raise ValueError(
                f"budget.latency={self.latency} leaves no time. Give seconds above 0, such as 0.2."
            )
        if not 0 <= self.metric <= 1:
            raise ValueError(f"metric={self.metric} is none. Give one between 0 and 1, such as 0.9.")

    def admitted(self, strategies: Sequence[Strategy]) -> list[Strategy]:
        """The strategies that reach the metric.

        Raises:
            ValueError: If none does.
        """
        found = [strategy for strategy in strategies if strategy.value >= self.metric]
        if not found:
            best = max((strategy.value for strategy in strategies), default=None)
            raise ValueError(
                f"no strategy reaches the metric {self.metric:g}, the frozen network's less budget.drop; the "
                f"best has {best}."
            )
        return found

    def best(self, strategies: Sequence[Strategy], latency_ms: Callable[[Strategy], float]) -> Strategy:
        """The strategy that this policy takes.

        Args:
            strategies: At least one that reaches the metric.
            latency_ms: What each is expected to take.
        """
        times = [(strategy, latency_ms(strategy)) for strategy in self.admitted(strategies)]
        # Without a budget any answer is in time, but none comes over a dead link.
        in_time = [pair for pair in times if math.isfinite(pair[1]) and pair[1] <= 1000 * self.latency]
        if in_time:
            return min(in_time, key=lambda pair: _ORDER[self.name](*pair))[0]
        return min(times, key=lambda pair: pair[1])[0]
