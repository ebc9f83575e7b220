"""What an image costs the device's battery, from constants of the device that its user knows."""

import math
from dataclasses import dataclass

from bottleneck.runtime.link import Link
from bottleneck.runtime.strategy import Strategy


@dataclass(frozen=True)
class Energy:
    """Constants of a device and its radio.

    Attributes:
        computing: Watts while it computes.
        waiting: Watts while it waits for the link and the server.
        byte: Joules for each byte that is sent.
        tail: Joules for each message, in which the radio stays on behind it.

    Raises:
        ValueError: If one is negative or no number.
    """

    computing: float
    waiting: float = 0.0
    byte: float = 0.0
    tail: float = 0.0

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            if not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ValueError(f"energy.{key}={value} is no energy. Give watts or joules, 0 or more.")

    def mj(self, strategy: Strategy, link: Link) -> float:
        """Millijoules for one image; infinite where a dead link is waited for.

        An answer that the device finds by itself stays there: nothing is sent or waited for.
        """
        working = self.computing * strategy.device_ms.median
        if strategy.kind == "device":
            return working
        if link.bandwidth <= 0:
            return math.inf
        waiting = self.waiting * (strategy.latency_ms(link) - strategy.device_ms.median)
        return working + waiting + 1000 * (self.byte * strategy.sent_bytes + self.tail)
