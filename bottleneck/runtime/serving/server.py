"""The server: one bidirectional stream for each device, and the calls around it, on gRPC.

    Describe ──► what there is       Switch ──► load a point ──► its number       health, as gRPC defines it
    Stream:  frame ──► confirmation, at once
                  └──► engine ──► result, or refusal       frames may come by UDP (`serving.datagrams`)

Payloads and answers are raw bytes (`bottleneck.runtime.messages`); nothing is generated from a .proto file.
"""

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from bottleneck.runtime.datagrams.greeting import DATAGRAMS, greeting
from bottleneck.runtime.journal import Journal, Record
from bottleneck.runtime.messages import LONGEST
from bottleneck.runtime.security import Security
from bottleneck.runtime.serving.datagrams import Datagrams
from bottleneck.runtime.serving.engine import Engine
from bottleneck.runtime.serving.stream import Stream
from bottleneck.runtime.serving.tails import Tails, UnknownPointError
from bottleneck.runtime.serving.worker import Worker

log = logging.getLogger(__name__)

SERVICE = "bottleneck.Runtime"
_RELOAD_SECONDS = 1.0  # between two looks at the frontiers' files
#: What the configuration calls a limit.
_KEYS = {
    "longest": "limits.message",
    "most_devices": "limits.devices",
    "idle": "limits.idle",
    "grace": "limits.grace",
    "deadline": "datagrams.deadline",
    "patience": "datagrams.patience",
}


@dataclass(frozen=True)
class Limits:
    """What a server allows itself and its devices.

    Attributes:
        max_batch: Most frames of a batch.
        max_wait: Seconds that a frame waits for company while the worker is idle.
        longest: Bytes of the longest message.
        most_devices: Streams that are open at once.
        most_replies: Replies that wait for a device that does not read, before its stream is ended.
        idle: Seconds without a frame after which a stream is ended.
        keepalive: Seconds between two signs of life on a silent connection.
        grace: Seconds that frames have to be answered when the server ends.
        deadline: Seconds that a frame in datagrams is waited for, from the first one on.
        patience: Seconds that the rest of it is waited for once all have left the device.

    Raises:
        ValueError: If a limit is none.
    """

    max_batch: int = 8
    max_wait: float = 0.0
    longest: int = LONGEST
    most_devices: int = 256
    most_replies: int = 64
    idle: float = 60.0
    keepalive: float = 10.0
    grace: float = 5.0
    deadline: float = 1.0
    patience: float = 0.03

    def __post_init__(self) -> None:
        for name in ("longest", "most_devices", "idle", "keepalive", "deadline"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{_KEYS.get(name, name)}={getattr(self, name)} lets nothing through. Use more than 0."
                )
        if not self.longest < 2**31:
            raise ValueError(
                f"limits.message={self.longest} is more than gRPC carries. Use up to {2**31 - 1} bytes."
            )
        for name in ("grace", "patience"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{_KEYS[name]}={getattr(self, name)} is no time. Use 0 seconds or more.")


class Server:
    """Answers the frames of many devices.

    Args:
        tails: What can be run.
        security: Certificates and token.
        limits: See `Limits`.
        journal: Where every frame is written.
        top: Most classes of an answer.
        datagrams: Whether devices may send their frames by UDP, to the port of the same number.

    Raises:
        ValueError: If datagrams are to be taken beside TLS, which does not protect them.
    """

    def __init__(
        self,
        tails: Tails,
        security: Security | None = None,
        limits: Limits | None = None,
        journal: Journal | None = None,
        top: int = 5,
        datagrams: bool = False,
    ):
        self._tails = tails
        self._security, self._limits, self._journal = security or Security(), limits or Limits(), journal
        limits = self._limits
        self._engine = Engine(Worker(tails, top), limits.max_batch, limits.max_wait)
        self._datagrams: Datagrams | None = None
        if datagrams:
            self._security.require_clear()
            self._datagrams = Datagrams(limits.deadline, limits.patience, limits.most_devices)
        self._streams: set[Stream] = set()
        self._count, self._generation = 0, tails.generation
        self._draining = False
        self._health = health.aio.HealthServicer()
        self._background: list[asyncio.Task[None]] = []

    @property
    def devices(self) -> int:
        """Streams that are open."""
        return len(self._streams)

    async def start(self, address: str) -> int:
        """Listen.

        Args:
            address: `HOST:PORT`; port 0 takes a free one. IPv6 with brackets or without.

        Returns:
            The port.

        Raises:
            ValueError: If the port is taken, or the address is none.
        """
        limits = self._limits
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),  # a second server on one port must not take half of the devices
                ("grpc.max_receive_message_length", limits.longest),
                ("grpc.keepalive_time_ms", round(1000 * limits.keepalive)),
                ("grpc.keepalive_timeout_ms", round(500 * limits.keepalive)),
                ("grpc.http2.min_ping_interval_without_data_ms", 1000),
                ("grpc.server_handshake_timeout_ms", 10_000),  # who connects and says nothing
            ]
        )
        # Health is open to everybody: load balancers have no token.
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers([self._handlers()])
        credentials = self._security.server_credentials()
        try:
            host, wanted = _host_and_port(address)
            _require_free(host, wanted)
            bound = f"[{host}]:{wanted}" if ":" in host else address
            if credentials is None:
                port = self._server.add_insecure_port(bound)
            else:
                port = self._server.add_secure_port(bound, credentials)
            if (datagrams := self._datagrams) is not None:
                loop = asyncio.get_running_loop()
                await loop.create_datagram_endpoint(lambda: datagrams, local_addr=(host, port))
        except (RuntimeError, OSError, ValueError) as error:
            raise ValueError(
                f"nothing can listen on {address} ({error}). Choose another port= or host=."
            ) from error
        await self._server.start()
        self._background = [
            asyncio.create_task(self._engine.run()),
            asyncio.create_task(self._keep_reloading()),
        ]
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        await self._health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        return int(port)

    async def drain(self) -> None:
        """Take no more frames, answer those that are here, and end."""
        self._draining = True
        await self._health.enter_graceful_shutdown()
        self._end_streams()
        await self._server.stop(self._limits.grace)
        if self._datagrams is not None:
            self._datagrams.close()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def reload(self) -> None:
        """Read the frontiers anew; devices go on with points that are loaded."""
        await asyncio.to_thread(self._tails.reload)
        log.info("read again: %d points", len(self._tails.describe()["bundles"]))

    def _handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Describe": grpc.unary_unary_rpc_method_handler(self._describe),
                "Switch": grpc.unary_unary_rpc_method_handler(self._switch),
                "Stream": grpc.stream_stream_rpc_method_handler(self._stream),
            },
        )

    async def _admit(self, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        if not self._security.admits(context.invocation_metadata() or ()):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is not this server's; set token=")
        if self._draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is about to end")

    async def _describe(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        await self._admit(context)
        if request:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Describe is asked without any bytes")
        about = self._tails.describe() | {"datagrams": self._datagrams is not None}
        return json.dumps(about).encode()

    async def _switch(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        await self._admit(context)
        started = time.monotonic()
        try:
            wanted = json.loads(request)
            if not isinstance(wanted, dict):
                raise UnknownPointError(f"{request!r:.100} asks for nothing.")
            number, seconds = await asyncio.to_thread(self._tails.number, wanted)
        except (ValueError, RecursionError) as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if self._generation != (now := self._tails.generation):
            self._generation = now
            self._end_streams()  # what they were told may mean another point; devices come back and ask
        load_ms = 1000 * (time.monotonic() - started)
        return json.dumps({"point": number, "load_ms": load_ms, "server_ms": 1000 * seconds}).encode()

    def _end_streams(self) -> None:
        for stream in self._streams:
            stream.close()

    async def _stream(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> AsyncIterator[bytes]:
        await self._admit(context)
        if len(self._streams) >= self._limits.most_devices:
            text = f"{len(self._streams)} devices are connected, as many as limits.devices allows"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        self._count += 1
        limits, name = self._limits, f"{context.peer()}#{self._count}"
        stream = Stream(
            name, self._tails.route, self._engine, limits.longest, limits.most_replies, self._write
        )
        self._streams.add(stream)
        number = None
        try:
            number = await self._open_datagrams(stream, context)
            async for reply in stream.replies(requests, limits.idle):
                yield reply
        finally:
            self._streams.discard(stream)
            if self._datagrams is not None and number is not None:
                self._datagrams.release(number)

    async def _open_datagrams(
        self, stream: Stream, context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> int | None:
        """Tell a device that asks for it how to send its frames by UDP; the number of its stream there."""
        if (datagrams := self._datagrams) is None or DATAGRAMS not in dict(
            context.invocation_metadata() or ()
        ):
            return None
        number, secret = datagrams.admit(stream.take_datagrams)
        stream.announce = partial(datagrams.announce, number)
        await context.send_initial_metadata([(DATAGRAMS, greeting(number, secret).hex())])
        return number

    def _write(self, record: Record, feature: Any) -> None:
        if self._journal is not None:
            self._journal.add(record, feature=feature)

    async def _keep_reloading(self) -> None:
        told = None
        while True:
            await asyncio.sleep(_RELOAD_SECONDS)
            try:
                if self._tails.has_changed():
                    await self.reload()
                    told = None
            except (OSError, ValueError) as error:  # it is being written, damaged, or another network's
                if str(error) != told:
                    log.warning("the frontier cannot be read again, so the old one stays: %s", error)
                told = str(error)


def _require_free(host: str, port: int) -> None:
    """Look whether somebody listens there before gRPC does, which writes lines of its own about it.

    Raises:
        OSError: If somebody does, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not 0 <= int(port) < 1 << 16:
        raise ValueError(f"{port} is no port")
    return host.strip("[]"), int(port)
