"""The emulated link for datagrams: each is late, or lost, as it would be on a real link.

device ──► relay's port ──► delay, or nothing ──► a socket for each device ──► server, and back
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

_MOST_DEVICES = 256
_LONGEST = 1 << 16  # bytes


class DatagramRelay(asyncio.DatagramProtocol):
    """Passes datagrams on.

    Args:
        server: Its host and port.
        due: Of so many bytes, up (0) or down (1): when they are there, by the loop's clock; `None`: never.
    """

    def __init__(self, server: tuple[str, int], due: Callable[[int, int], float | None]):
        self._server, self._due = server, due
        self._onward: dict[Any, socket.socket] = {}
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if addr not in self._onward and len(self._onward) >= _MOST_DEVICES:
            return
        if addr not in self._onward:
            onward = socket.socket(self._transport.get_extra_info("socket").family, socket.SOCK_DGRAM)
            onward.setblocking(False)
            onward.connect(self._server)
            self._onward[addr] = onward
            asyncio.get_running_loop().add_reader(onward, self._come_back, onward, addr)
        self._later(len(data), 0, self._send_onward, addr, data)

    def close(self) -> None:
        """Pass nothing on any more."""
        self._transport.close()
        for onward in self._onward.values():
            asyncio.get_running_loop().remove_reader(onward)
            onward.close()
        self._onward.clear()

    def _come_back(self, onward: socket.socket, addr: Any) -> None:
        with contextlib.suppress(OSError):  # nobody listens at the server
            data = onward.recv(_LONGEST)
            self._later(len(data), 1, self._transport.sendto, data, addr)

    def _send_onward(self, addr: Any, data: bytes) -> None:
        with contextlib.suppress(OSError, KeyError):  # likewise, or the relay was closed meanwhile
            self._onward[addr].send(data)

    def _later(self, nbytes: int, direction: int, send: Callable[..., Any], *arguments: Any) -> None:
        if (due := self._due(nbytes, direction)) is not None:  # a delay from now on would overtake others
            asyncio.get_running_loop().call_at(due, send, *arguments)
