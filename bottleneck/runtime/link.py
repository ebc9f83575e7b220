"""A network link as decisions see it."""

from typing import NamedTuple


class Link(NamedTuple):
    """What a link does to a payload. Bandwidths are bytes per second everywhere: 1 Mbit/s is 125,000.

    Attributes:
        bandwidth: Bytes per second from the device to the server; 0 where nothing gets through.
        rtt: Seconds from one end to the other and back.
    """

    bandwidth: float
    rtt: float = 0.0

    def ms(self, size: float) -> float:
        """Milliseconds until an answer to `size` bytes could be back if it took no time to compute."""
        return 1000 * (size / self.bandwidth + self.rtt) if self.bandwidth > 0 else float("inf")
