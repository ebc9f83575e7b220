"""Which strategy the next frame takes, without changing for nothing.

Any other strategy is judged as if it were slower by a margin and by its share of the cost of changing. It has
to win several times in a row, and a change is kept for a while. Only a dead link is left at once.

Source: Ulhaq, BASc thesis, SFU 2020 (hysteresis, dwell, emergency).
"""

import math
from collections.abc import Sequence

from bottleneck.runtime.link import Link
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Strategy


class Controller:
    """Chooses a strategy frame by frame. Times are seconds of one clock, which is passed in.

    Args:
        strategies: All that may be taken.
        policy: What is wanted.
        margin: Share by which another strategy must be faster than it need be.
        patience: Decisions in a row that must prefer another strategy.
        dwell: Seconds that a strategy is kept at least.
        switch_ms: What a change costs (the server loads a tail); spread over the dwell.

    Attributes:
        current: The strategy in use; `None` before the first decision.
        switches: How often it was changed.

    Raises:
        ValueError: If no strategy reaches the policy's metric, or an option is negative.
    """

    def __init__(
        self,
        strategies: Sequence[Strategy],
        policy: Policy,
        *,
        margin: float = 0.15,
        patience: int = 3,
        dwell: float = 2.0,
        switch_ms: float = 0.0,
    ):
        if margin < 0 or patience < 1 or dwell < 0 or switch_ms < 0:
            raise ValueError(
                f"margin={margin}, patience={patience}, dwell={dwell}, switch_ms={switch_ms} cannot be kept. "
                "patience is 1 or more, the others are 0 or more."
            )
        self.strategies = policy.admitted(strategies)
        self.policy = policy
        self._handicap = 1 + margin + (switch_ms / 1000 / dwell if dwell else 0.0)
        self._patience, self._dwell = patience, dwell
        self.current: Strategy | None = None
        self.switches = 0
        self._since = -math.inf
        self._preferred = 0
        self._streak_of: Strategy | None = None

    def choose(self, link: Link, now: float) -> Strategy:
        """The strategy for a frame that is captured now.

        Args:
            link: What the link is believed to be (`Estimator.link`).
            now: Seconds.
        """
        if self.current is None:
            self.current, self._since = self.policy.best(self.strategies, lambda s: s.latency_ms(link)), now
            return self.current
        wanted = self.preferred(link)
        if wanted is self.current or wanted is not self._streak_of:
            self._preferred = 0
        self._preferred, self._streak_of = self._preferred + (wanted is not self.current), wanted
        dead = link.bandwidth <= 0 and self.current.kind != "device"
        settled = self._preferred >= self._patience and now - self._since >= self._dwell
        if wanted is not self.current and (dead or settled):
            self.current, self._since, self._preferred = wanted, now, 0
            self.switches += 1
        return self.current

    def preferred(self, link: Link) -> Strategy:
        """The strategy that is worth changing to on such a link; the current one where none is."""
        found = self.policy.best(
            self.strategies,
            lambda s: s.latency_ms(link) * (1.0 if s is self.current else self._handicap),
        )
        return found if self.current is None or math.isfinite(found.latency_ms(link)) else self.current
