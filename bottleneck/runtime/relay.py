"""An emulated link: passes TCP connections and datagrams on, as slowly and as late as a real link would.

    device ──► queue ──► token clock: bytes / bandwidth ──► + RTT / 2, jitter, retransmissions ──► server
    device ◄── the same the other way round ◄── server

All connections and datagrams share one clock for each direction, as they would share a link. What is lost of
a connection comes late, as TCP sends it again; a datagram is gone. Kernels of small containers have no
`netem`, and this needs no privileges.
"""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable

from bottleneck.lossy.processes import Independent
from bottleneck.runtime.datagrams.relaying import DatagramRelay
from bottleneck.runtime.link import Link
from bottleneck.runtime.traces import Trace

_PACKET = 1460  # bytes
_BUFFER = 0.5  # seconds of waiting bytes that the link's own queue holds; then the sender is held back
_RETRANSMISSION = 0.2  # seconds after which TCP sends a packet again at least (Linux)
_DEAD_POLL = 0.02  # seconds between two looks at a dead link

Conditions = Callable[[float], Link]


def constant(link: Link) -> Conditions:
    """A link that does not change."""
    return lambda seconds: link


def once(trace: Trace, rtt: float) -> Conditions:
    """A link whose bandwidth changes as in a trace, and stays what it is at last."""
    return lambda now: Link(trace.at(now), rtt)


def repeated(trace: Trace, rtt: float) -> Conditions:
    """A link whose bandwidth changes as in a trace, again and again.

    Args:
        trace: At its last step all begins anew.
        rtt: Of every step.

    Raises:
        ValueError: If the trace has one step only.
    """
    if len(trace.seconds) < 2:
        raise ValueError("a trace that is repeated has an end: a second step, at which it begins anew.")
    return lambda now: Link(trace.at(now % trace.seconds[-1]), rtt)


class Relay:
    """Listens in front of a server.

    Args:
        server: Its host and port.
        conditions: The link, by seconds since `start`; may be replaced at any time.
        jitter: Standard deviation of the delay one way, in seconds.
        loss: Share of packets that are lost; those of TCP are sent again.
        seed: Of jitter and losses.
        datagrams: Whether datagrams are passed on too, at the port of the same number.

    Raises:
        ValueError: If there is no such jitter or loss.

    Attributes:
        conditions: The link at present.
    """

    def __init__(
        self,
        server: tuple[str, int],
        conditions: Conditions,
        *,
        jitter: float = 0.0,
        loss: float = 0.0,
        seed: int = 0,
        datagrams: bool = False,
    ):
        if not jitter >= 0 or not 0 <= loss < 1:
            raise ValueError(
                f"link.jitter={jitter} with link.loss={loss} is no link. Use 0 s or more, a share below 1."
            )
        self._server, self.conditions = server, conditions
        self._jitter, self._loss, self._random = jitter, loss, random.Random(seed)
        # Datagrams, up and down: the same ones, whatever else is sent.
        self._lost = [Independent(loss, seed), Independent(loss, seed + 1)]
        self._datagrams = DatagramRelay(server, self._datagram_due) if datagrams else None
        self._free_at = [0.0, 0.0]  # when the link has sent all that waits, up and down
        self._listening: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; the port."""
        self.rewind()
        self._listening = await asyncio.start_server(self._connected, host, port, limit=1 << 16)
        port = int(self._listening.sockets[0].getsockname()[1])
        if (datagrams := self._datagrams) is not None:
            loop = asyncio.get_running_loop()
            await loop.create_datagram_endpoint(lambda: datagrams, local_addr=(host, port))
        return port

    def link(self) -> Link:
        """What the link is at this moment."""
        return self.conditions(max(0.0, time.monotonic() - self._began))

    def hold(self) -> None:
        """Keep the conditions at their beginning, until `rewind`."""
        self._began = math.inf

    def rewind(self) -> None:
        """Let the conditions begin anew."""
        self._began = time.monotonic()

    def cut(self) -> None:
        """Break every connection; new ones are taken."""
        for connection in self._connections:
            connection.cancel()

    async def stop(self) -> None:
        """Listen no more, and break what there is."""
        if self._listening is not None:
            self._listening.close()
            if self._datagrams is not None:
                self._datagrams.close()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        try:
            onward, backward = await asyncio.open_connection(*self._server)
            writers.append(backward)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, backward, 0))
                both.create_task(self._pass_on(onward, writer, 1))
        except (asyncio.CancelledError, OSError, BaseExceptionGroup):
            for broken in writers:
                broken.transport.abort()
        finally:
            for ended in writers:
                ended.close()
            self._connections.discard(task)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: int
    ) -> None:
        """One direction of a connection, until its end."""
        clock = asyncio.get_running_loop().time
        packets: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await packets.get()
                await asyncio.sleep(due - clock())
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        delivering = asyncio.create_task(deliver())
        try:
            due = 0.0
            while data := await reader.read(_PACKET):
                sent = await self._sent(len(data), direction)
                due = max(due, sent + self._delay())
                packets.put_nowait((due, data))
            packets.put_nowait((due, b""))
            await delivering
        finally:
            delivering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await delivering

    async def _sent(self, nbytes: int, direction: int) -> float:
        """Let the link take a packet; when its last byte has left."""
        clock = asyncio.get_running_loop().time
        while (bandwidth := self.link().bandwidth) <= 0:
            await asyncio.sleep(_DEAD_POLL)
        now = clock()
        self._free_at[direction] = free = max(now, self._free_at[direction]) + nbytes / bandwidth
        if free - now > _BUFFER:
            await asyncio.sleep(free - now - _BUFFER)
        return free

    def _datagram_due(self, nbytes: int, direction: int) -> float | None:
        """When a datagram is there, by the loop's clock; `None`: lost, no room, or a dead link."""
        now, bandwidth = asyncio.get_running_loop().time(), self.link().bandwidth
        begins = max(now, self._free_at[direction])
        if bool(self._lost[direction].draw(1)[0]) or bandwidth <= 0 or begins - now > _BUFFER:
            return None
        self._free_at[direction] = begins + nbytes / bandwidth
        return self._free_at[direction] + self._propagation()

    def _propagation(self) -> float:
        """Seconds from the last byte's leaving to its arrival, if it is not lost."""
        return self.link().rtt / 2 + abs(self._random.gauss(0.0, self._jitter))

    def _delay(self) -> float:
        """The same, if it may be lost and sent again."""
        rtt, delay = self.link().rtt, self._propagation()
        return delay + (_RETRANSMISSION + rtt if self._random.random() < self._loss else 0.0)
