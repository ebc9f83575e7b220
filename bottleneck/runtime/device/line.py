"""The line to a server that is there or is not: connects, listens, and connects again.

    connect ──► same network? ──► first routes loaded ─► messages ──► receive
       ▲                                                    │ it broke
       └──────────────── a pause, longer each time ◄────────┴──► lost

What is guarded here is guarded by the client's state, which whoever calls holds.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from bottleneck.runtime.device.connection import Connection, RefusedError
from bottleneck.runtime.device.half import Half
from bottleneck.runtime.device.routes import Route, key_of, wanted
from bottleneck.runtime.messages import Message

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds between two attempts to connect
_ASKED_AGAIN = 1.0  # seconds until a route that the server did not load is asked for again


class Line:
    """One device's line.

    Args:
        server: `HOST:PORT`, for errors.
        connect: Opens a connection.
        half: Whose server it has to be: with the same weights, for payloads that are cut in the same way.
        state: Guards this, and is told of every change.
        first: The routes that a new connection begins with; of the device alone it loads none.
        instead: Called with the state and another route where the server has none of them any more.
        receive: Takes the server's messages; called without the state.
        lost: Called with the state when the connection is gone, or was never there, with the reason.

    Attributes:
        connection: Whether there is one, and which.
        tried: Set when the first attempt is over.
        refused: Why the first attempt was the last: the server takes no such device.
    """

    def __init__(
        self,
        server: str,
        connect: Callable[[], Connection],
        half: Half,
        state: threading.Condition,
        *,
        first: Callable[[], Sequence[Route]],
        instead: Callable[[Route], None],
        receive: Callable[[Message], None],
        lost: Callable[[str], None],
    ):
        self._server, self._connect, self._half = server, connect, half
        self._state, self._first, self._instead = state, first, instead
        self._receive, self._lost = receive, lost
        self.connection: Connection | None = None
        self.tried = threading.Event()
        self.refused: RefusedError | None = None
        self._numbers: dict[str, int] = {}  # what the server calls each route, by its key
        self._switching = False
        self._closed = False
        self._told: str | None = None  # why there is no connection, which is said once

    def number(self, route: Route) -> int | None:
        """What the server calls a route; `None` where it has not loaded it."""
        return self._numbers.get(key_of(route))

    def forget(self, route: Route) -> None:
        """The server does not know its number of a route any more."""
        self._numbers.pop(key_of(route), None)

    def prepare(self, route: Route) -> None:
        """Have the server load a route, in the background and one at a time."""
        if not self._switching:
            self._switching = True
            threading.Thread(target=self._switch, args=(self.connection, route), daemon=True).start()

    def lose(self, reason: str) -> None:
        """End the connection; another is tried."""
        connection, self.connection = self.connection, None
        self._numbers.clear()
        self._lost(reason)
        self._state.notify_all()
        if not self._closed and reason != self._told:
            log.warning("alone: %s", reason)
        self._told = reason
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """End the connection; none is tried any more."""
        self._closed = True
        self.lose("the client was closed")

    def listen(self) -> None:
        """Be connected, and again, until closed: what the listening thread does."""
        pause = _FIRST_PAUSE
        while not self._closed:
            was_connected = False
            try:
                messages = self._connected()
                was_connected, pause = True, _FIRST_PAUSE
                for message in messages:
                    self._receive(message)
                reason = "the server ended the stream"
            except (ConnectionError, RefusedError) as error:
                reason = str(error)
                if isinstance(error, RefusedError) and not self.tried.is_set():
                    self.refused, self._told = error, reason
            except Exception as error:  # without this thread the device would be alone for good
                reason = f"{type(error).__name__}: {error}"
                log.exception("the connection to %s failed", self._server)
            with self._state:
                if self.connection is not None or not was_connected:  # else it was lost by a time-out
                    self.lose(reason)
                self.tried.set()
                self._state.wait_for(lambda: self._closed, pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _connected(self) -> Iterator[Message]:
        """Connect and have the first routes loaded; the server's messages.

        Raises:
            ConnectionError: If there is no server.
            RefusedError: If it is another network's, or has other points.
        """
        connection = self._connect()
        try:
            if connection.network != self._half.network:
                raise RefusedError(
                    f"{self._server} runs a network with weights {connection.network[:12]}…, this "
                    f"device one with {self._half.network[:12]}…. Load the same weights on both sides."
                )
            numbers = self._loaded(connection)
            messages = connection.open()
        except BaseException:
            connection.close()
            raise
        with self._state:
            self.connection, self._numbers, self._told = connection, numbers, None
            if self._closed:
                self.lose("the client was closed")
            self.tried.set()
            self._state.notify_all()
        return messages

    def _loaded(self, connection: Connection) -> dict[str, int]:
        """Numbers of the first routes; where the server has another frontier by now, of any that it has."""
        packing = self._half.packing
        try:
            first = [route for route in self._first() if route.split is not None]
            return {key_of(route): connection.switch(wanted(route, packing))[0] for route in first}
        except RefusedError:
            if not self.tried.is_set():
                raise
            for route in self._half.routes:
                with contextlib.suppress(RefusedError):
                    number = connection.switch(wanted(route, packing))[0]
                    with self._state:
                        self._instead(route)
                    return {key_of(route): number}
            raise

    def _switch(self, connection: Connection, route: Route) -> None:
        try:
            number, _ = connection.switch(wanted(route, self._half.packing))
        except (ConnectionError, RefusedError) as error:
            log.warning("%s cannot be used: %s", route.name, error)
            time.sleep(_ASKED_AGAIN)
            number = -1
        with self._state:
            self._switching = False
            if number >= 0 and connection is self.connection:
                self._numbers[key_of(route)] = number
