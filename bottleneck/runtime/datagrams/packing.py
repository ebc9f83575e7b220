"""How device and server agree to cut payloads, so that what arrives of one is an answer too."""

from typing import NamedTuple


class Packing(NamedTuple):
    """Both sides have the same.

    Attributes:
        by: How samples are cut: `channels`, `tiles` or `elements` (codec `packets`).
        mtu: Bytes of a datagram at most, its header included. Smaller: less is lost with each.
    """

    by: str = "channels"
    mtu: int = 1400
