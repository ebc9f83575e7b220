"""What carries a sample from one side to the other: everything arrives, or what is lost is concealed.

Link        array ──► codec ──► payload ──► codec ──► array
LossyLink   array ──► codec ──► losses ──► array and mask ──► concealment ──► array
              └──── side information of the concealment, counted ────┘
"""

import copy
from typing import Any, NamedTuple, Self

from numpy.typing import NDArray

from bottleneck.codecs import Codec
from bottleneck.codecs.packets.stage import packets_of
from bottleneck.lossy.concealment.base import Concealment
from bottleneck.lossy.losses import Losses


class Carried(NamedTuple):
    """A sample on the other side.

    Attributes:
        array: As the server has it.
        n_bytes: Every byte that was sent.
        n_packets: Packets that were sent.
    """

    array: NDArray[Any]
    n_bytes: int
    n_packets: int


class Link:
    """A link on which nothing is lost.

    Attributes:
        name: What it adds to a channel's name.
        about: What rows of results say of it.
    """

    def __init__(self) -> None:
        self.name = ""
        self.about: dict[str, Any] = {}

    def session(self) -> Self:
        """The link for one stream of samples: what it remembers of earlier ones begins anew."""
        return self

    def carry(self, codec: Codec, array: NDArray[Any]) -> Carried:
        """Send one sample through real bytes."""
        packets = packets_of(codec, array)
        payload = b"".join(packets)
        return Carried(codec.decode(payload), len(payload), len(packets))


class LossyLink(Link):
    """A link on which something is lost, and concealed.

    Args:
        model: Name of the loss model, in results.
        losses: What is lost.
        concealment: Fitted.
    """

    def __init__(self, model: str, losses: Losses, concealment: Concealment):
        self.losses, self.concealment = losses, concealment.session()
        rate = losses.process.rate
        self.name = f"{model}-{rate:g}-{concealment.name}"
        self.about = {"loss_model": model, "loss_rate": rate, "concealment": concealment.name}

    def session(self) -> Self:
        link = copy.copy(self)
        link.concealment = self.concealment.session()
        return link

    def carry(self, codec: Codec, array: NDArray[Any]) -> Carried:
        side = self.concealment.side(array)
        (received, mask), n_bytes, n_packets = self.losses.send(codec, array)
        filled = self.concealment.fill(received, mask, side)
        return Carried(filled, n_bytes + len(side), n_packets)
