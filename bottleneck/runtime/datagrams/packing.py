"""How a device's payloads become datagrams, so that what arrives of one is an answer too."""

from dataclasses import dataclass
from typing import Any

from bottleneck.lossy.protection import MOST_COPIES


@dataclass(frozen=True)
class Packing:
    """How payloads are cut, which both sides have the same of, and how often they are sent.

    Args:
        by: How samples are cut: `elements`, `tiles` or `channels` (codec `packets`). Where elements are lost
            here and there, what is left says most of what they were.
        mtu: Bytes of a datagram at most, its header included. Smaller: less is lost with each.
        copies: How often each datagram is sent, all of a frame before any of them again, so that a burst does
            not take every copy of one.

    Raises:
        ValueError: If there are no copies, or too many.
    """

    by: str = "elements"
    mtu: int = 1400
    copies: int = 1

    def __post_init__(self) -> None:
        if type(self.copies) is not int or not 1 <= self.copies <= MOST_COPIES:
            raise ValueError(
                f"datagrams.copies={self.copies}: a datagram is sent at least once, at most {MOST_COPIES} "
                "times."
            )

    def cut(self) -> dict[str, Any]:
        """What the server has to know."""
        return {"by": self.by, "mtu": self.mtu}
