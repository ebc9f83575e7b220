"""The device: sends what is fresh, drops what would wait, and goes on alone when the link is dead.

    offer(image) ──► drop? ──► half ──► gate ──► connection ┄┄► server
                       │         └── no connection: the half alone          ┆
    finished() ◄───────┴────────────◄── records ◄── results ◄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┘

One thread computes, one listens and connects again; whoever owns the capture loop waits for neither.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from bottleneck.runtime.controller import Controller
from bottleneck.runtime.device.connection import Connection, RefusedError
from bottleneck.runtime.device.half import Half
from bottleneck.runtime.device.routes import ALONE, Route, wanted
from bottleneck.runtime.device.uplink import Uplink
from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.journal import Journal, Record
from bottleneck.runtime.link import Link
from bottleneck.runtime.messages import Confirmation, Frame, Message, Probe, Reason, Refusal, Result
from bottleneck.runtime.security import Security

log = logging.getLogger(__name__)

_UNKNOWN_LINK = Link(bandwidth=1e6, rtt=0.05)  # what is believed before anything was measured
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds between two attempts to connect
_PROBE_SECONDS = 1.0  # between two looks at a link on which nothing is sent
_PROBE_TIME, _LARGEST_PROBE = 0.02, 1 << 14  # seconds that a probe should take, and bytes that it has at most
_PROBES = 1 << 31  # their ids begin here, those of frames end


@dataclass
class _Frame:
    """A frame on its way through the device and the link."""

    record: Record
    image: Any
    captured: float
    route: Route
    patient: bool = False  # it does not get old, so it is sent again rather than dropped
    finished: bool = False


class Client:
    """A device that has its frames answered.

    ::

        with Client("localhost:50051", TorchHalf("studies/digits/frontier", network)) as client:
            for image in camera:
                client.offer(image)
                for record in client.finished():
                    print(record.id, record.answer, record.age_ms)

    Args:
        server: `HOST:PORT`.
        half: What this device computes (`TorchHalf`, `GraphHalf`).
        controller: Chooses a strategy for every frame; `None`: `route`.
        route: What is sent where there is no controller; `None`: the half's best.
        estimator: Watches the link.
        security: Certificates and token.
        timeout: Seconds after which a link without an answer is dead, beyond what it is expected to take.
        checked: Whether messages carry a CRC.
        journal: Where every frame is written.

    Raises:
        RefusedError: If the server takes no such device: another network, frontier or token. A server that is
            not there is no error: the device is alone until it comes.
    """

    def __init__(
        self,
        server: str,
        half: Half,
        *,
        controller: Controller | None = None,
        route: Route | None = None,
        estimator: Estimator | None = None,
        security: Security | None = None,
        timeout: float = 2.0,
        checked: bool = False,
        journal: Journal | None = None,
    ):
        self._server, self._half, self._controller = server, half, controller
        self._route = route or half.routes[0]
        self._security, self._timeout, self._checked = security or Security(), timeout, checked
        self._journal = journal
        self._clock = time.monotonic

        self._state = threading.Condition()  # of everything below
        self._uplink: Uplink[_Frame] = Uplink(estimator or Estimator(_UNKNOWN_LINK), timeout)
        self._connection: Connection | None = None
        self._numbers: dict[str, int] = {}  # what the server calls each route
        self._switching = False
        self._offered: _Frame | None = None
        self._computing = False
        self._seconds: dict[str, float] = {}  # that the device computes, by route
        self._finished: deque[Record] = deque(maxlen=10_000)
        self._frames = self._probes = 0
        self._error: Exception | None = None
        self._closed = False

        self._tried = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"bottleneck-{work.__name__[1:]}", daemon=True)
            for work in (self._compute, self._listen)
        ]
        for thread in self._threads:
            thread.start()
        self._tried.wait()  # a server that is there may have to load; one that is not is soon known
        if isinstance(self._error, RefusedError):
            self.close()
            raise self._error

    @property
    def connected(self) -> bool:
        """Whether the server answers at present."""
        return self._connection is not None

    def link(self) -> Link:
        """The link as it is believed to be; 0 bytes a second without a connection."""
        with self._state:
            link = self._uplink.link(self._clock())
            return link if self._connection is not None else Link(0.0, link.rtt)

    def offer(self, image: Any, captured: float | None = None) -> bool:
        """Have an image answered if that can be done at once; never waits.

        Args:
            image: As the half takes it.
            captured: When it was, by `time.monotonic`; `None`: now.

        Returns:
            Whether it is under way; else it was dropped, before anything was computed.

        Raises:
            ValueError: If an earlier image could not be used.
        """
        with self._state:
            frame = self._new_frame(image, captured)
            now = self._clock()
            if self._busy:
                self._drop(frame, "the device is busy")
            elif frame.route.split is not None and self._uplink.gate.drops(
                now, self._seconds.get(frame.route.name, 0.0)
            ):
                self._drop(frame, "it would wait for the link")
            else:
                self._offered = frame
                self._state.notify_all()
                return True
            return False

    def ask(self, image: Any) -> Record:
        """Have an image answered, however long that takes: for pictures that do not get old.

        Raises:
            ValueError: If it is no image that the half can use.
        """
        with self._state:
            self._state.wait_for(lambda: not self._busy or self._closed)
            frame = self._offered = self._new_frame(image, None)
            frame.patient = True
            self._state.notify_all()
            self._state.wait_for(lambda: frame.finished or self._error is not None or self._closed)
            self._raise_error()
            return frame.record

    def finished(self) -> list[Record]:
        """The frames that were answered or dropped since the last call."""
        with self._state:
            records = list(self._finished)
            self._finished.clear()
            return records

    def settle(self) -> None:
        """Wait until nothing is under route."""
        with self._state:
            self._state.wait_for(lambda: (not self._busy and self._uplink.is_empty) or self._closed)

    def close(self) -> None:
        """End the connection and the threads."""
        with self._state:
            self._closed = True
            self._lose("the client was closed")
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # What follows holds the state, or takes it.

    @property
    def _busy(self) -> bool:
        return self._offered is not None or self._computing

    def _new_frame(self, image: Any, captured: float | None) -> _Frame:
        self._raise_error()
        if self._closed:
            raise RuntimeError("the client is closed.")
        now = self._clock()
        route = self._chosen(now)
        record = Record(self._frames)
        self._frames += 1
        return _Frame(record, image, now if captured is None else captured, route)

    def _raise_error(self) -> None:
        if (error := self._error) is not None:
            self._error = None
            raise error

    def _chosen(self, now: float) -> Route:
        """The route for a frame that is captured now; the last one while the server loads for another."""
        if self._connection is None:
            return ALONE
        route = self._route
        if self._controller is not None:
            route = self._controller.choose(self._uplink.link(now), now)
        if route.split is None:
            if now - self._uplink.last_sent > _PROBE_SECONDS:
                self._probe(now)
        elif route.name in self._numbers:
            self._route = route
        else:
            if not self._switching:
                self._switching = True
                threading.Thread(target=self._switch, args=(self._connection, route), daemon=True).start()
            return self._route if self._route.name in self._numbers else ALONE
        return route

    def _switch(self, connection: Connection, route: Route) -> None:
        try:
            number, _ = connection.switch(wanted(route))
        except (ConnectionError, RefusedError) as error:
            log.warning("%s cannot be used: %s", route.name, error)
            time.sleep(_PROBE_SECONDS)  # before it is asked for again
            number = -1
        with self._state:
            self._switching = False
            if number >= 0 and connection is self._connection:
                self._numbers[route.name] = number

    def _probe(self, now: float) -> None:
        assert self._connection is not None
        number = _PROBES + self._probes
        self._probes += 1
        padding = min(round(self._uplink.link(now).bandwidth * _PROBE_TIME), _LARGEST_PROBE)
        probe = Probe(number, padding if self._probes % 2 else 0)  # the bandwidth, and the round trip
        self._uplink.sent(number, self._connection.send(probe), now)

    def _finish(self, frame: _Frame) -> None:
        frame.finished = True
        route = frame.route
        frame.record.strategy, frame.record.split, frame.record.point = route.name, route.split, route.point
        frame.record.bandwidth = self._uplink.link(self._clock()).bandwidth
        self._finished.append(frame.record)
        if self._journal is not None:
            self._journal.add(frame.record, frame.image)
        self._state.notify_all()

    def _drop(self, frame: _Frame, reason: str, final: bool = False) -> None:
        if frame.patient and not final and not self._closed:
            frame.record, frame.route = Record(frame.record.id), self._chosen(self._clock())
            self._offered = frame
            self._state.notify_all()
            return
        frame.record.dropped, frame.record.reason = True, reason
        self._finish(frame)

    def _lose(self, reason: str) -> None:
        """The connection is gone, or was never there."""
        connection, self._connection = self._connection, None
        self._numbers.clear()
        for frame in self._uplink.lost():
            self._drop(frame, f"the link was lost: {reason}")
        self._state.notify_all()
        if connection is not None:
            if not self._closed:
                log.warning("alone: %s", reason)
            connection.close()

    # The thread that computes.

    def _compute(self) -> None:
        while True:
            with self._state:
                while self._offered is None and not self._closed:
                    self._wait()
                if self._offered is None:
                    return
                frame, self._offered, self._computing = self._offered, None, True
            try:
                self._process(frame)
            except Exception as error:  # it belongs to whoever offered the image
                self._error = error
            finally:
                with self._state:
                    self._computing = False
                    self._state.notify_all()

    def _process(self, frame: _Frame) -> None:
        started = self._clock()
        if frame.route.split is not None:
            payload = self._half.payload(frame.image, frame.route)
            seconds = self._clock() - started
            with self._state:
                mean = self._seconds.get(frame.route.name, seconds)
                self._seconds[frame.route.name] = 0.8 * mean + 0.2 * seconds
                if self._sent(frame, payload, seconds):
                    return
        answer = self._half.alone(frame.image)
        now = self._clock()
        with self._state:
            frame.route, record = ALONE, frame.record
            record.device_ms, record.age_ms = 1000 * (now - started), 1000 * (now - frame.captured)
            record.answer = answer
            self._finish(frame)

    def _sent(self, frame: _Frame, payload: bytes, seconds: float) -> bool:
        """Send as soon as the gate opens; whether there was a connection to do so."""
        while self._connection is not None and not self._uplink.gate.is_open(self._clock()):
            self._wait()
        number = self._numbers.get(frame.route.name)
        if self._connection is None or number is None:
            return False
        frame.record.device_ms = 1000 * seconds
        frame.record.bytes = 1 + len(payload)  # the number names the point, as a frontier's payload does
        message = Frame(frame.record.id, number, payload)
        self._uplink.sent(message.id, self._connection.send(message), self._clock(), frame)
        return True

    def _wait(self) -> None:
        """Wait for a change; what is overdue by now means that the link is dead."""
        now = self._clock()
        patience = self._uplink.patience(now)
        if patience <= 0:
            self._lose(f"no answer within {self._timeout:g} s")
            return
        opens = (
            self._uplink.gate.wait(now) if self._computing and not self._uplink.gate.unreceived else patience
        )
        self._state.wait(min(patience, opens, threading.TIMEOUT_MAX))

    # The thread that listens.

    def _listen(self) -> None:
        pause = _FIRST_PAUSE
        while not self._closed:
            try:
                for message in self._connected():
                    self._receive(message)
                reason = "the server ended the stream"
            except (ConnectionError, RefusedError) as error:
                reason = str(error)
                if isinstance(error, RefusedError) and not self._tried.is_set():
                    self._error = error
            with self._state:
                if self._connection is not None:
                    pause = _FIRST_PAUSE
                self._lose(reason)
                self._tried.set()
                self._state.wait_for(lambda: self._closed, pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _connected(self) -> Iterator[Message]:
        """Connect and have the first route loaded; the server's messages.

        Raises:
            ConnectionError: If there is no server.
            RefusedError: If it is another network's, or has other points.
        """
        connection = Connection(self._server, self._security, self._timeout, self._checked)
        try:
            if connection.about["network"] != self._half.network:
                raise RefusedError(
                    f"{self._server} runs a network with weights {connection.about['network'][:12]}…, this "
                    f"device one with {self._half.network[:12]}…. Load the same weights on both sides."
                )
            number, _ = connection.switch(wanted(self._route))
            messages = connection.open()
        except BaseException:
            connection.close()
            raise
        with self._state:
            self._connection, self._numbers = connection, {self._route.name: number}
            if self._closed:
                self._lose("the client was closed")
            self._tried.set()
            self._state.notify_all()
        return messages

    def _receive(self, message: Message) -> None:
        now = self._clock()
        with self._state:
            if isinstance(message, Confirmation):
                self._uplink.confirmed(message.id, message.received, message.interval / 1e6, now)
                self._state.notify_all()
            elif isinstance(message, Result | Refusal):
                frame = self._uplink.answered(message.id)
                if frame is None:
                    return
                if isinstance(message, Result):
                    self._answer(frame, message, now)
                else:
                    if message.reason == Reason.UNKNOWN_POINT:
                        self._numbers.pop(frame.route.name, None)  # another frontier was put into its place
                    final = message.reason in (Reason.PAYLOAD, Reason.FAILED)
                    self._drop(frame, f"{message.reason.name.lower()}: {message.text}", final)

    def _answer(self, frame: _Frame, result: Result, now: float) -> None:
        record = frame.record
        record.age_ms = 1000 * (now - frame.captured)
        record.server_ms = result.server_time / 1000
        record.link_ms = max(0.0, record.age_ms - (record.device_ms or 0.0) - record.server_ms)
        record.answer = result.answer
        self._finish(frame)
