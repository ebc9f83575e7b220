"""A point whose payloads come in packets: what has arrived is decoded, and the rest is concealed."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor, nn

from bottleneck.deploy.sides import Server
from bottleneck.lossy.concealment import create
from bottleneck.lossy.concealment.base import Concealment

#: Concealments that need no training samples, which a server has not, and nothing beside the packets.
CONCEALMENTS = ("previous", "running-mean", "motion", "zero")


def concealment_of(name: str) -> str:
    """The name of a concealment that a server can use.

    Raises:
        ValueError: If it is none.
    """
    if name not in CONCEALMENTS:
        raise ValueError(
            f"datagrams.concealment={name} is nothing that a server can do without training samples. Choose "
            f"one of {', '.join(CONCEALMENTS)}."
        )
    return name


class PacketServer:
    """The server's side of such a point, for one device.

    Args:
        server: The point, its payloads in packets.
        concealment: One of `CONCEALMENTS`; before it has seen a frame it fills in zeros.
    """

    def __init__(self, server: Server, concealment: str):
        self._server, self._name = server, concealment
        codec = server.bundle.codec
        self._concealment: Concealment = create(concealment).fit([np.zeros(codec.shape, np.float32)])

    @property
    def tail(self) -> nn.Module:
        return self._server.tail

    def session(self) -> "PacketServer":
        """The same for another device: what it fills in comes from that device's frames."""
        return PacketServer(self._server, self._name)

    def received(self, payload: bytes) -> tuple[Tensor, dict[str, Any]]:
        """`Server.received`, of a payload that is whole."""
        feature, missing = self.received_in_part([payload])
        if missing:
            raise ValueError(
                f"a payload of {len(payload)} bytes lacks packets that nothing has said are lost."
            )
        return feature, {}

    def received_in_part(self, packets: Iterable[bytes]) -> tuple[Tensor, float]:
        """`Server.received_in_part`."""
        return self._server.received_in_part(packets, self._concealment)

    def letterboxed(self, payload: bytes) -> None:
        """There is nothing of that kind in front of packets."""

    def warm_up(self) -> None:
        """`Server.warm_up`."""
        self._server.warm_up()
