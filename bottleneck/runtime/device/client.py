"""The device: sends what is fresh, drops what would wait, and goes on alone when the link is dead.

    offer(image) ──► drop? ──► half ──► gate ──► connection ┄┄► server
                       │         └── no connection: the half alone          ┆
    finished() ◄───────┴────────────◄── records ◄── results ◄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┘

One thread computes, one listens and connects again; whoever owns the capture loop waits for neither.
"""

import threading
import time
from typing import Any, Self

from bottleneck.runtime.controller import Controller
from bottleneck.runtime.device.cascade import Cascade
from bottleneck.runtime.device.choice import Choice
from bottleneck.runtime.device.coding import Coding
from bottleneck.runtime.device.connection import Connection, check_address
from bottleneck.runtime.device.desk import Desk
from bottleneck.runtime.device.frames import Ended, Underway
from bottleneck.runtime.device.half import Half
from bottleneck.runtime.device.line import Line
from bottleneck.runtime.device.routes import Route
from bottleneck.runtime.device.uplink import MOST_LOST, Uplink
from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.journal import Journal, Record
from bottleneck.runtime.link import Link
from bottleneck.runtime.messages import Confirmation, Message, Reason, Refusal, Result
from bottleneck.runtime.security import Security

_LONGEST_S = 86_400.0  # gRPC's own times end not far beyond
_UNKNOWN_LINK = Link(bandwidth=1e6, rtt=0.05)  # what is believed before anything was measured


class Client:
    """A device that has its frames answered.

    ::

        with Client("localhost:50051", TorchHalf([Path("studies/digits/frontier")], network)) as client:
            for image in camera:
                client.offer(image)
                for record in client.finished():
                    print(record.id, record.answer, record.age_ms)

    Args:
        server: `HOST:PORT`.
        half: What this device computes (`TorchHalf`, `GraphHalf`).
        controller: Chooses a strategy for every frame; `None`: `route`.
        route: What is sent where there is no controller; `None`: the half's best.
        cascade: When the picture is sent as well, because the server is not sure; `None`: never.
        estimator: Watches the link.
        security: Certificates and token.
        timeout: Seconds after which a link without an answer is dead, beyond what it is expected to take.
        checked: Whether messages carry a CRC.
        journal: Where every frame is written.

    Raises:
        RefusedError: If the server takes no such device: another network, frontier or token. A server that is
            not there is no error: the device is alone until it comes.
        ValueError: If `server` is no address, the time-out no time, or a certificate none.
    """

    def __init__(
        self,
        server: str,
        half: Half,
        *,
        controller: Controller | None = None,
        route: Route | None = None,
        cascade: Cascade | None = None,
        estimator: Estimator | None = None,
        security: Security | None = None,
        timeout: float = 2.0,
        checked: bool = False,
        journal: Journal | None = None,
    ):
        check_address(server)
        check_timeout(timeout)
        security = security or Security()
        if half.packing is not None:
            security.require_clear()
        security.channel_credentials()  # wrong files are told here; a thread would try them for ever
        self._copies = 1 if half.packing is None else half.packing.copies
        self._half, self._timeout, self._cascade = half, timeout, cascade
        self._clock = time.monotonic

        self._state = threading.Condition()  # of everything below
        self._uplink: Uplink[Underway] = Uplink(estimator or Estimator(_UNKNOWN_LINK), timeout)
        self._choice = Choice(route or half.routes[0], controller, self._uplink)
        self._ended = Ended(
            journal, lambda: self._uplink.link(self._clock()).bandwidth, self._state.notify_all
        )
        self._coding = Coding(half, self._state)
        self._desk = Desk(self._state, self._wait, self._process)
        self._frames = 0
        self._last_number = -1  # what the last frame that was sent is called on the line
        self._line = Line(
            server,
            lambda: Connection(server, security, timeout, checked, half.packing),
            half,
            self._state,
            first=lambda: [self._choice.route, *([] if cascade is None else [cascade.route])],
            instead=self._choice.fall_back,
            receive=self._receive,
            lost=self._lost,
        )

        self._threads = [
            threading.Thread(target=work, name=f"bottleneck-{name}", daemon=True)
            for name, work in (("compute", self._desk.work), ("listen", self._line.listen))
        ]
        for thread in self._threads:
            thread.start()
        self._line.tried.wait()  # a server that is there may have to load; one that is not is soon known
        if self._line.refused is not None:
            self.close()
            raise self._line.refused

    @property
    def connected(self) -> bool:
        """Whether the server answers at present."""
        return self._line.connection is not None

    def link(self) -> Link:
        """The link as it is believed to be; 0 bytes a second without a connection."""
        with self._state:
            link = self._uplink.link(self._clock())
            return link if self.connected else Link(0.0, link.rtt)

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
            waits = frame.route.split is not None and self._uplink.gate.drops(
                self._clock(), self._coding.seconds(frame.route)
            )
            if self._desk.is_taken or waits:
                self._drop(
                    frame, "the device is busy" if self._desk.is_taken else "it would wait for the link"
                )
                return False
            self._desk.offer(frame)
            return True

    def ask(self, image: Any) -> Record:
        """Have an image answered, however long that takes: for pictures that do not get old.

        Raises:
            ValueError: If it is no image that the half can use.
        """
        with self._state:
            self._state.wait_for(lambda: not self._desk.is_taken or self._desk.closed)
            frame = self._new_frame(image, None)
            frame.patient = True
            self._desk.offer(frame)
            self._state.wait_for(lambda: frame.finished or self._desk.error is not None or self._desk.closed)
            self._desk.raise_error()
            return frame.record

    def finished(self) -> list[Record]:
        """The frames that were answered or dropped since the last call."""
        with self._state:
            return self._ended.taken()

    def settle(self) -> None:
        """Wait until nothing is under way."""
        with self._state:
            self._state.wait_for(
                lambda: (not self._desk.is_taken and self._uplink.is_empty) or self._desk.closed
            )

    def close(self) -> None:
        """End the connection and the threads."""
        with self._state:
            self._desk.closed = True
            self._line.close()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # What follows holds the state, or takes it.

    def _new_frame(self, image: Any, captured: float | None) -> Underway:
        self._desk.raise_error()
        if self._desk.closed:
            raise RuntimeError("the client is closed.")
        now = self._clock()
        route = self._choice.at(now, self._line)
        record = Record(self._frames)
        self._frames += 1
        return Underway(record, image, now if captured is None else captured, route)

    def _drop(self, frame: Underway, reason: str, final: bool = False) -> None:
        if frame.patient and not final and not self._desk.closed:
            frame.again(self._choice.at(self._clock(), self._line))
            self._desk.offer(frame)
        else:
            self._ended.dropped(frame, reason, self._clock())

    def _lost(self, reason: str) -> None:
        """The connection is gone, or was never there."""
        self._coding.broken()
        for frame in self._uplink.lost():
            self._drop(frame, f"the link was lost: {reason}")

    # The thread that computes.

    def _process(self, frame: Underway) -> None:
        started = self._clock()
        if frame.route.split is not None:
            packets = self._coding.packets(frame)
            with self._state:
                if self._sent(frame, packets):
                    return
        answer = self._half.alone(frame.image)
        now = self._clock()
        with self._state:
            self._ended.alone(frame, answer, started, now)

    def _sent(self, frame: Underway, packets: list[bytes]) -> bool:
        """Send as soon as the gate opens; whether there was a connection to do so."""
        while self.connected and not self._uplink.gate.is_open(self._clock()):
            self._wait()
        connection, point = self._line.connection, self._line.number(frame.route)
        if connection is None or point is None:
            self._coding.broken()
            return False
        once = 1 + sum(map(len, packets))  # a byte names the point
        frame.record.bytes = (frame.record.bytes or 0) + self._copies * once
        number = self._last_number = max(self._last_number + 1, frame.record.id)
        nbytes, frame.record.packets = connection.send_frame(number, point, packets)
        self._uplink.sent(number, nbytes, self._clock(), frame)
        return True

    def _wait(self) -> None:
        """Wait for a change; what is overdue by now means that the link is dead."""
        now = self._clock()
        patience = self._uplink.patience(now)
        if patience <= 0:
            self._line.lose(f"no answer within {self._timeout:g} s")
            return
        opens = (
            self._uplink.gate.wait(now)
            if self._desk.computing and not self._uplink.gate.unreceived
            else patience
        )
        self._state.wait(min(patience, opens, threading.TIMEOUT_MAX))

    # The thread that listens.

    def _receive(self, message: Message) -> None:
        now = self._clock()
        with self._state:
            match message:
                case Confirmation():
                    sent = self._uplink.confirmed(message, now)
                    if sent is not None and sent.record.packets is not None:
                        sent.record.lost_packets = message.lost
                    self._state.notify_all()
                case Result():
                    if (frame := self._uplink.answered(message.id)) is not None:
                        self._uplink.arrived(True)
                        self._answered(frame, message, now)
                case Refusal():
                    if (frame := self._uplink.answered(message.id)) is not None:
                        record = frame.record
                        nothing = message.reason == Reason.LOST and record.lost_packets == record.packets
                        self._uplink.arrived(not nothing)
                        self._refused(frame, message)

    def _answered(self, frame: Underway, result: Result, now: float) -> None:
        cascade = self._cascade
        if cascade is not None and not self._desk.has_next and cascade.goes_on(frame, result, self._line):
            self._desk.offer(frame)
            return
        self._ended.answered(frame, result, now)
        self._choice.probe(now, self._line)

    def _refused(self, frame: Underway, refusal: Refusal) -> None:
        self._coding.broken(frame.record.id)
        if refusal.reason == Reason.UNKNOWN_POINT:
            self._line.forget(frame.route)  # another frontier was put into its place
        final = refusal.reason in (Reason.PAYLOAD, Reason.FAILED)
        self._drop(frame, f"{refusal.reason.name.lower()}: {refusal.text}", final)
        if self._uplink.is_deaf:
            self._line.lose(f"none of {MOST_LOST} frames got through by UDP")


def check_timeout(timeout: float) -> None:
    """Refuse what is no time to wait for an answer.

    Raises:
        ValueError: Then.
    """
    if not 0 < timeout <= _LONGEST_S:
        raise ValueError(
            f"timeout={timeout} is no time to wait for an answer. Use above 0 s to a day, such as 2."
        )
