"""A stream's way to the server by UDP; what is said of its frames goes over gRPC.

greeting ──► echo: the address that answers is the one       frame ──► datagrams, and all of them again
"""

import contextlib
import socket
import time
from collections.abc import Sequence

from bottleneck.runtime.datagrams.greeting import greeting_of
from bottleneck.runtime.datagrams.packetiser import Packetiser
from bottleneck.runtime.datagrams.packing import Packing

_AGAIN = 0.1  # seconds until a greeting that is not answered is sent again


class DatagramPath:
    """Open from its constructor on.

    Args:
        server: `HOST:PORT`, the same as of gRPC.
        greeting: What the server wants to see first.
        packing: How long datagrams are, and how often each is sent.
        timeout: Seconds that the server has to answer the greeting.

    Raises:
        ConnectionError: If it does not.
    """

    def __init__(self, server: str, greeting: bytes, packing: Packing, timeout: float):
        self._packetiser = Packetiser(greeting_of(greeting)[0], packing.mtu)
        self._copies = packing.copies
        self._socket = _greeted(server, greeting, timeout)

    def send(self, frame: int, point: int, packets: Sequence[bytes]) -> int:
        """Send a frame; the number of its datagrams, without copies.

        Raises:
            ValueError: If it is empty, or too long.
        """
        datagrams = self._packetiser.cut(frame, packets, point)
        for datagram in datagrams * self._copies:
            with contextlib.suppress(OSError):  # one that the system does not take is lost like another
                self._socket.send(datagram)
        return len(datagrams)

    def close(self) -> None:
        """Send no more."""
        self._socket.close()


def _greeted(server: str, greeting: bytes, timeout: float) -> socket.socket:
    """A socket to the first of the host's addresses that answers."""
    host, _, port = server.rpartition(":")
    end = time.monotonic() + timeout
    with contextlib.ExitStack() as stack:
        sockets = []
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_DGRAM
        ):
            sockets.append(one := stack.enter_context(socket.socket(family, kind, protocol)))
            one.settimeout(_AGAIN)
            with contextlib.suppress(OSError):
                one.connect(address)
        while time.monotonic() < end:
            for one in sockets:
                with contextlib.suppress(OSError):  # no answer yet, or nobody there
                    one.send(greeting)
                    if one.recv(len(greeting) + 1) == greeting:
                        sockets.remove(one)
                        stack.pop_all()
                        for other in sockets:
                            other.close()
                        return one
            time.sleep(_AGAIN / 10)
    raise ConnectionError(
        f"{server} answers gRPC, but no datagram within {timeout:g} s. Let UDP through to that port, or use "
        "transport=grpc."
    )
