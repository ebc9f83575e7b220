"""A network link as decisions see it."""

import math
from typing import NamedTuple, Self


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
        return 1000 * (size / self.bandwidth + self.rtt) if self.bandwidth > 0 else math.inf

    def checked(self) -> Self:
        """The link, as somebody gave it.

        Raises:
            ValueError: If nothing would get through, or a number is none.
        """
        if not (0 < self.bandwidth < math.inf and 0 <= self.rtt < math.inf):
            raise ValueError(
                f"link.bandwidth={self.bandwidth} with link.rtt={self.rtt} is no link. Give bytes per second "
                "above 0, and seconds."
            )
        return self
