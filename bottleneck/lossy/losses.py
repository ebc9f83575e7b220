"""What a loss hits: single elements or whole channels, as the papers simulate it, or real packets.

Elements, Channels    array ──► codec ──► array, and a mask that is drawn
Packets               array ──► packets ──► protected ──► those that arrive ──► array, and its mask
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs import Codec
from bottleneck.codecs.packets.stage import Packets as PacketStage
from bottleneck.codecs.packets.stage import Partial, packets_of
from bottleneck.lossy.processes import Process
from bottleneck.lossy.protection import Bare, Protection


class Arrival(NamedTuple):
    """What became of a sample.

    Attributes:
        partial: What arrived of it.
        n_bytes: Bytes that were sent.
        n_packets: Packets that were sent.
    """

    partial: Partial
    n_bytes: int
    n_packets: int


class Losses(ABC):
    """Sends samples, some of which get lost in part.

    Args:
        process: Draws what is lost.
    """

    def __init__(self, process: Process):
        self.process = process

    @abstractmethod
    def send(self, codec: Codec, array: NDArray[Any]) -> Arrival:
        """Send one sample."""


class Elements(Losses):
    """Single elements are lost, in C order."""

    def send(self, codec: Codec, array: NDArray[Any]) -> Arrival:
        return _masked(codec, array, ~self.process.draw(array.size).reshape(array.shape))


class Channels(Losses):
    """Whole channels are lost."""

    def send(self, codec: Codec, array: NDArray[Any]) -> Arrival:
        kept = ~self.process.draw(len(array))
        return _masked(codec, array, np.broadcast_to(kept.reshape(-1, *[1] * (array.ndim - 1)), array.shape))


class Packets(Losses):
    """Packets are lost, of a codec that makes some; a payload of any other codec is one packet.

    Args:
        process: Draws what is lost, of the protected packets in the order in which they are sent.
        protection: What is sent of a sample's packets.
    """

    def __init__(self, process: Process, protection: Protection | None = None):
        super().__init__(process)
        self.protection = protection or Bare()

    def send(self, codec: Codec, array: NDArray[Any]) -> Arrival:
        sent = self.protection.protect(packets_of(codec, array))
        lost = self.process.draw(len(sent))
        arrived = self.protection.recover(
            [packet for packet, gone in zip(sent, lost, strict=True) if not gone]
        )
        if isinstance(codec.coder, PacketStage):
            partial = codec.coder.receive(arrived)
        elif arrived:
            partial = Partial(codec.decode(arrived[0]), np.ones(array.shape, dtype=bool))
        else:
            partial = Partial(np.zeros_like(array), np.zeros(array.shape, dtype=bool))
        return Arrival(partial, sum(map(len, sent)), len(sent))


def _masked(codec: Codec, array: NDArray[Any], mask: NDArray[np.bool_]) -> Arrival:
    payload = codec.encode(array)
    return Arrival(Partial(np.where(mask, codec.decode(payload), 0), mask), len(payload), 1)
