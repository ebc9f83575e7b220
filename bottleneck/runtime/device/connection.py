"""One connection to a server: its calls, and a stream of messages. No decisions here.

The blocking API of gRPC, so that it fits into anybody's capture loop.
"""

import json
import queue
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grpc

from bottleneck.runtime.datagrams.greeting import DATAGRAMS
from bottleneck.runtime.datagrams.packing import Packing
from bottleneck.runtime.device.datagram_path import DatagramPath
from bottleneck.runtime.messages import LONGEST, Announcement, Frame, Message, pack, unpack
from bottleneck.runtime.security import Security

_SERVICE = "/bottleneck.Runtime/"
_LOADING = 60.0  # seconds that a server may take to load a point


class RefusedError(ValueError):
    """The server is there and will never take this device: another token, network or frontier."""


def check_address(server: str) -> None:
    """Refuse what no server listens on.

    Raises:
        ValueError: If it is not `HOST:PORT`.
    """
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"server={server} is no address. Give HOST:PORT, such as localhost:50051.")


class Connection:
    """Opened by its constructor, for one stream; after a failure a new one is made.

    Args:
        server: `HOST:PORT`.
        security: Certificates and token.
        timeout: Seconds until a server that is there answers; loading a point may take longer.
        checked: Whether messages carry a CRC.
        packing: How payloads are sent, where they go by UDP; `None`: they do not.

    Raises:
        ConnectionError: If there is no server.
        RefusedError: If the server does not take the token, or no datagrams.
    """

    def __init__(
        self,
        server: str,
        security: Security,
        timeout: float,
        checked: bool = False,
        packing: Packing | None = None,
    ):
        options = [
            ("grpc.use_local_subchannel_pool", 1),  # a new attempt is not held back by the last one's failure
            ("grpc.max_receive_message_length", LONGEST),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", round(1000 * timeout)),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.enable_http_proxy", 0),
        ]
        credentials = security.channel_credentials()
        self._channel = (
            grpc.insecure_channel(server, options)
            if credentials is None
            else grpc.secure_channel(server, credentials, options)
        )
        self._server, self._metadata = server, security.metadata
        self._checked, self._packing, self._timeout = checked, packing, timeout
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stream: Any = None
        self._path: DatagramPath | None = None
        try:
            about = self._call("Describe", b"", timeout, network=str, datagrams=bool)
            self.network: str = about["network"]
            if packing is not None and not about["datagrams"]:
                raise RefusedError(
                    f"{server} takes no datagrams. Set transport=datagram there, or transport=grpc here."
                )
        except BaseException:
            self._channel.close()
            raise

    def switch(self, wanted: Mapping[str, Any]) -> tuple[int, float]:
        """Have the server load a point; its number, and the milliseconds that the server needs for a payload.

        Raises:
            ConnectionError: If the server is gone.
            RefusedError: If it has no such point.
        """
        ready = self._call("Switch", json.dumps(wanted).encode(), _LOADING, point=int, server_ms=float)
        return ready["point"], ready["server_ms"]

    def open(self) -> Iterator[Message]:
        """Open the stream; the server's messages, until it ends.

        Raises:
            ConnectionError: When it breaks, or no datagram gets through.
        """
        asked = () if self._packing is None else ((DATAGRAMS, ""),)
        self._stream = self._channel.stream_stream(_SERVICE + "Stream")(
            iter(self._out.get, None), metadata=(*self._metadata, *asked)
        )
        if self._packing is not None:
            told = dict(self._stream.initial_metadata() or ()).get(DATAGRAMS)
            if told is None:
                raise ConnectionError(f"{self._server} ended the stream before it began.")
            self._path = DatagramPath(self._server, bytes.fromhex(told), self._packing, self._timeout)
        return self._received()

    def send(self, message: Message) -> int:
        """Send a message; its bytes."""
        data = pack(message, self._checked)
        self._out.put(data)
        return len(data)

    def send_frame(self, number: int, point: int, packets: Sequence[bytes]) -> tuple[int, int | None]:
        """Send a frame, by UDP where that is open.

        Returns:
            The bytes that the server waits for, and in how many datagrams, without copies, if in some.
        """
        if self._path is None:
            return self.send(Frame(number, point, b"".join(packets))), None
        datagrams, total = self._path.send(number, point, packets), sum(map(len, packets))
        self.send(Announcement(number, total, datagrams))
        return total, datagrams

    def close(self) -> None:
        """End everything at once; `open`'s iterator ends as well."""
        if self._path is not None:
            self._path.close()
        self._out.put(None)
        if self._stream is not None:
            self._stream.cancel()
        self._channel.close()

    def _received(self) -> Iterator[Message]:
        try:
            for data in self._stream:
                yield unpack(data)
        except (grpc.RpcError, ValueError) as error:  # closing the channel is a ValueError
            raise ConnectionError(f"the stream from {self._server} broke: {_details(error)}") from error

    def _call(self, name: str, request: bytes, timeout: float, **fields: type) -> dict[str, Any]:
        """The fields of the answer to a call, each of its type."""
        call = self._channel.unary_unary(_SERVICE + name)
        try:
            answer = json.loads(call(request, timeout=timeout, metadata=self._metadata))
            return {field: kind(answer[field]) for field, kind in fields.items()}
        except grpc.RpcError as error:
            text = f"{self._server} does not answer {name}: {_details(error)}"
            if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INVALID_ARGUMENT):
                raise RefusedError(text) from error
            raise ConnectionError(text) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectionError(f"{self._server} is no server of this package: {error!r}") from error


def _details(error: Any) -> str:
    return f"{error.code().name}, {error.details()}" if isinstance(error, grpc.Call) else str(error)
