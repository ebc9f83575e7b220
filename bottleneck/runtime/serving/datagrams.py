"""Where devices' datagrams come in, each stream's from one address only.

    Stream on gRPC ──► number and secret ──► greeting by UDP ──► echo: the address is known, UDP gets through
    datagrams ──► Reassembly ──► the stream that they belong to       an announcement says that all have left

A frame whose announcement never comes is waited for no longer than the deadline. Nobody else's datagrams are
taken, but whoever can read or forge a device's packets can read or forge its frames.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bottleneck.runtime.datagrams.greeting import greeting_of
from bottleneck.runtime.datagrams.inbox import Inbox
from bottleneck.runtime.datagrams.reassembly import Arrived, Reassembly
from bottleneck.runtime.messages import Announcement

_NUMBERS = 1 << 16


@dataclass
class _Device:
    """Whose stream it is."""

    secret: bytes
    take: Callable[[Arrived], None]
    address: Any = None


class Datagrams(Inbox):
    """All devices' datagrams.

    Args:
        deadline: Seconds that a frame is waited for, from its first datagram on.
        patience: Seconds that the rest of a frame is waited for when all of it has left.
        most_devices: Streams at once.
    """

    def __init__(self, deadline: float, patience: float, most_devices: int):
        super().__init__(Reassembly(deadline, most_devices))
        self._patience = patience
        self._devices: dict[int, _Device] = {}
        self._next = secrets.randbelow(_NUMBERS)

    def admit(self, take: Callable[[Arrived], None]) -> tuple[int, bytes]:
        """A stream's number, and the secret by which its address is known."""
        while self._next in self._devices:
            self._next = (self._next + 1) % _NUMBERS
        number, device = self._next, _Device(secrets.token_bytes(16), take)
        self._next = (self._next + 1) % _NUMBERS
        self._devices[number] = device
        return number, device.secret

    def release(self, number: int) -> None:
        """A stream has ended."""
        self._devices.pop(number, None)
        self._reassembly.forget(number)

    def announce(self, number: int, announcement: Announcement) -> None:
        """All datagrams of a frame have left their device.

        Raises:
            ValueError: If there are too many streams.
        """
        now = asyncio.get_running_loop().time()
        self._reassembly.announce(number, announcement.id, announcement.total, now, self._patience)
        self._hand_on([])

    def take(self, frame: Arrived) -> None:
        """Give a frame to its stream."""
        if (device := self._devices.get(frame.stream)) is not None:
            device.take(frame)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        number, secret = greeting_of(data)
        device = self._devices.get(number)
        if device is not None and secrets.compare_digest(secret, device.secret):
            device.address = addr
            self._transport.sendto(data, addr)
        elif device is None or device.address != addr:
            self.refused += 1
        else:
            try:
                self._hand_on(self._reassembly.receive(data, asyncio.get_running_loop().time()))
            except ValueError:
                self.refused += 1
