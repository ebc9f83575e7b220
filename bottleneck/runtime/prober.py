"""When to ask a link that is not used what it can do.

What is sent tells of the link; a device that works alone, or sends little, learns nothing. A probe is a
message that only a confirmation comes back to: an empty one for the round trip, one that should take some
milliseconds for the bandwidth. The latter is sent only where knowing could change the strategy; while they
are too fast to be measured, each is twice as large as the one before.
"""

import math

from bottleneck.runtime.controller import Controller
from bottleneck.runtime.estimator import TINY, Estimator
from bottleneck.runtime.link import Link

_LARGEST = 1024  # bytes; of strategies that send less, a larger probe is not worth its time


class Prober:
    """Says how large a probe should leave now. Times are seconds of one clock, which is passed in.

    Args:
        estimator: Watches the link.
        controller: Chooses by it.
        every: Seconds between two probes at least, unless the last one was too fast to be measured.
    """

    def __init__(self, estimator: Estimator, controller: Controller, every: float = 1.0):
        self._estimator, self._controller, self._every = estimator, controller, every
        self._largest = max(_LARGEST, *(strategy.sent_bytes for strategy in controller.strategies))
        self._probed = self._pinged = -math.inf
        self._growing = False

    def size(self, now: float) -> int | None:
        """Bytes of a probe that should leave now; `None`: none should."""
        link = self._estimator.link(now)
        if link.bandwidth <= 0:
            return self._ping(now) if now - self._pinged >= self._every else None
        if not self._estimator.clear(now):
            return None
        if (
            now - max(self._pinged, self._estimator.heard) >= self._every
            or now - self._pinged >= 10 * self._every
        ):
            return self._ping(now)
        return self._probe(link, now)

    def _ping(self, now: float) -> int:
        self._pinged = now
        return 0

    def _probe(self, link: Link, now: float) -> int | None:
        if self._controller.preferred(Link(math.inf, link.rtt)) is self._controller.current:
            return None  # a faster link would change nothing
        size = math.ceil(min(2 * self._estimator.shortest * link.bandwidth, self._largest))
        size = max(size, TINY + 1)  # a smaller one would measure the round trip
        fast = self._growing and self._estimator.vague and size < self._largest
        if not fast and now - max(self._probed, self._estimator.measured) < self._every:
            return None
        self._probed, self._growing = now, True
        return size
