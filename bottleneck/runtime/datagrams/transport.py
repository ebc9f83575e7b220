"""Datagrams over UDP: a sender that waits until a frame is confirmed, and a receiver that hands frames on.

    Sender    packets ──► datagrams ┄┄► Receiver ──► frames, whole or not
              confirmed, or given up ◄┄┄ stream  frame  received  total

Nothing is sent again. A frame is confirmed when it is handed on, so a sender that waits for that never has
two frames on their way, as the gate of the reliable transport wants it.
"""

import asyncio
import secrets
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

from bottleneck.runtime.datagrams.inbox import Inbox
from bottleneck.runtime.datagrams.packetiser import Packetiser
from bottleneck.runtime.datagrams.reassembly import Arrived, Reassembly

_CONFIRMATION = struct.Struct(">HIII")


class Confirmed(NamedTuple):
    """What the receiver says of a frame.

    Attributes:
        received: Bytes that arrived.
        total: Bytes that were sent.
    """

    received: int
    total: int


class Receiver(Inbox):
    """Hands on what arrives, and confirms it; made by `listen`.

    Args:
        take: Is given every frame, whole or not, by rising number in each stream.
        patience: Seconds that a frame is waited for.
    """

    def __init__(self, take: Callable[[Arrived], None], patience: float = 0.05):
        super().__init__(Reassembly(patience))
        self._taken = take
        self._senders: dict[int, Any] = {}

    @classmethod
    async def listen(
        cls, take: Callable[[Arrived], None], host: str = "127.0.0.1", port: int = 0, patience: float = 0.05
    ) -> Self:
        """A receiver at an address; port 0 takes a free one."""
        _, receiver = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: cls(take, patience), local_addr=(host, port)
        )
        return receiver

    def datagram_received(self, data: bytes, addr: Any) -> None:
        try:
            arrived = self._reassembly.receive(data, asyncio.get_running_loop().time())
        except ValueError:
            self.refused += 1
            return
        self._senders[int.from_bytes(data[:2], "big")] = addr
        self._hand_on(arrived)

    def take(self, frame: Arrived) -> None:
        """Confirm a frame, and hand it on."""
        confirmation = _CONFIRMATION.pack(frame.stream, frame.frame, frame.received, frame.total)
        self._transport.sendto(confirmation, self._senders[frame.stream])
        self._taken(frame)


class Sender(asyncio.DatagramProtocol):
    """Sends the frames of one stream; made by `connect`.

    Args:
        mtu: Bytes of a datagram at most.
        timeout: Seconds after which a frame that is not confirmed is given up.
    """

    def __init__(self, mtu: int = 1472, timeout: float = 1.0):
        self._packetiser = Packetiser(secrets.randbelow(1 << 16), mtu)
        self._timeout = timeout
        self._frame = -1
        self._confirmed: asyncio.Future[Confirmed]
        self._transport: asyncio.DatagramTransport

    @classmethod
    async def connect(cls, host: str, port: int, mtu: int = 1472, timeout: float = 1.0) -> Self:
        """A sender to a receiver's address, with a stream of its own."""
        _, sender = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: cls(mtu, timeout), remote_addr=(host, port)
        )
        return sender

    def close(self) -> None:
        """Send no more."""
        self._transport.close()

    async def send(self, packets: Sequence[bytes]) -> Confirmed | None:
        """Send a frame, one at a time; what the receiver says of it, None if it says nothing in time.

        Raises:
            ValueError: If the frame is empty, or too long.
        """
        self._frame += 1
        self._confirmed = asyncio.get_running_loop().create_future()
        for datagram in self._packetiser.cut(self._frame, packets):
            self._transport.sendto(datagram)
        try:
            return await asyncio.wait_for(self._confirmed, self._timeout)
        except TimeoutError:
            return None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if len(data) != _CONFIRMATION.size:
            return
        stream, frame, received, total = _CONFIRMATION.unpack(data)
        if (stream, frame) == (self._packetiser.stream, self._frame) and not self._confirmed.done():
            self._confirmed.set_result(Confirmed(received, total))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there now; the frame is given up in its time."""
