"""One device's stream on the server: what it sends, and what it is told.

bytes ──► message ──► confirmation          malformed ──► refusal, and the stream goes on
             └──► allowance ──► engine ──► result or refusal
announcement ──► datagrams ──► what has arrived, as a frame; nothing ──► refusal
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from bottleneck.runtime.datagrams.reassembly import Arrived
from bottleneck.runtime.device.routes import Route
from bottleneck.runtime.journal import Record
from bottleneck.runtime.messages import (
    Announcement,
    Confirmation,
    Frame,
    Message,
    Probe,
    Reason,
    Refusal,
    Result,
    id_of,
    is_checked,
    pack,
    unpack,
)
from bottleneck.runtime.serving.engine import Engine, Work
from bottleneck.runtime.serving.pace import Allowance
from bottleneck.runtime.serving.sessions import Session
from bottleneck.runtime.serving.worker import Coded, Outcome

log = logging.getLogger(__name__)


class Stream:
    """One device.

    Args:
        name: What the journal calls it.
        route: By which way frames come whose point the server gave a number; `None`: it gave none such.
        engine: What answers.
        longest: Bytes of the longest message.
        most_replies: Replies that may wait until the device reads them.
        write: Takes the record of every frame, and the feature that was decoded.

    Attributes:
        announce: Takes what the device says of datagrams that have left; `None` where it sends none.
    """

    def __init__(
        self,
        name: str,
        route: Callable[[int], Route | None],
        engine: Engine,
        longest: int,
        most_replies: int,
        write: Callable[[Record, Any], None],
    ):
        self._name, self._route, self._engine = name, route, engine
        self._longest, self._write = longest, write
        self._replies: asyncio.Queue[bytes | None] = asyncio.Queue(most_replies + 1)
        self._handler = asyncio.current_task()
        self._reading: asyncio.Task[None] | None = None
        self._allowance = Allowance()
        self._session = Session()
        self._interval = 0.0  # what it was told last, and is held to
        self._checked = False
        self._pending = 0
        self._closing = False
        self._last_id = -1  # of the newest frame; none yet
        self.announce: Callable[[Announcement], None] | None = None
        self._announced: dict[int, int] = {}  # datagrams of frames that have not come yet

    async def replies(self, requests: AsyncIterator[bytes], idle: float) -> AsyncIterator[bytes]:
        """What the device is told, until the stream ends.

        Args:
            requests: What the device sends.
            idle: Seconds without a message after which the stream is ended.
        """
        self._reading = asyncio.create_task(self._read(requests, idle))
        try:
            while (reply := await self._replies.get()) is not None:
                yield reply
        finally:
            self._handler = None
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def close(self) -> None:
        """Take no more frames, and end the stream behind the last answer."""
        if self._reading is not None:
            self._reading.cancel()
        self._closing = True
        self._end_behind_the_last()

    async def _read(self, requests: AsyncIterator[bytes], idle: float) -> None:
        try:
            while True:
                async with asyncio.timeout(idle):
                    data = await anext(requests)
                self._take(data)
        except StopAsyncIteration:
            pass
        except TimeoutError:
            log.info("%s said nothing for %g s", self._name, idle)
        self._closing = True
        self._end_behind_the_last()

    def _end_behind_the_last(self) -> None:
        if self._closing and not self._pending:
            self._put(None)

    def _take(self, data: bytes) -> None:
        arrived = time.monotonic()
        self._checked = is_checked(data)
        try:
            message = unpack(data, self._longest)
            if isinstance(message, Announcement) and self.announce is not None:
                if message.id > self._last_id:  # else it has come already
                    self._announced[message.id] = message.datagrams
                self.announce(message)
                return
            if not isinstance(message, Frame | Probe):
                raise ValueError(f"a server takes frames, and no {type(message).__name__}.")
        except ValueError as error:
            self._tell(Refusal(id_of(data), Reason.MALFORMED, str(error)))
            return
        if isinstance(message, Probe):
            self._confirm(message.id, len(data))
        else:
            refusal = self._refusal_at(arrived)
            self._confirm(message.id, len(data))
            record = self._record(message.id, message.point, len(message.payload))
            coded = Coded(message.point, [message.payload], self._session)
            self._submit(record, coded, arrived, refusal)

    def take_datagrams(self, frame: Arrived) -> None:
        """A frame that came in datagrams, whole or not."""
        if self._closing:
            return
        now = time.monotonic()
        sent = frame.datagrams if frame.is_whole else self._announced.get(frame.frame)
        self._announced = {known: count for known, count in self._announced.items() if known > frame.frame}
        lost = (
            0 if frame.is_whole else 1 if sent is None else max(0, sent - frame.datagrams)
        )  # 1: it is not known
        refusal = self._refusal_at(now)
        self._confirm(frame.frame, frame.total, now - frame.last, lost)
        record = self._record(frame.frame, frame.point, frame.received)
        record.packets, record.lost_packets = sent, lost
        if not frame.runs:
            refusal = Reason.LOST, "none of its packets arrived"
        coded = Coded(frame.point, frame.runs, self._session, frame.is_whole)
        self._submit(record, coded, frame.last, refusal)

    def _record(self, frame: int, number: int, nbytes: int) -> Record:
        """What is known of a frame that has come; its strategy has the name that the device uses."""
        record = Record(frame, bytes=1 + nbytes, device=self._name)
        if (route := self._route(number)) is not None:
            record.strategy, record.split, record.point = route.name, route.split, route.point
        return record

    def _confirm(self, frame: int, nbytes: int, held: float = 0.0, lost: int = 0) -> None:
        self._tell(Confirmation(frame, nbytes, _microseconds(self._interval), _microseconds(held), lost))

    def _refusal_at(self, now: float) -> tuple[Reason, str] | None:
        """Why a frame is not taken, where it is not; when the next one should come is reckoned from it."""
        if not self._allowance.admits(now):
            self._interval = self._allowance.wait(now)  # who comes too early takes nobody's turn
            return Reason.BUSY, f"it came {1000 * self._interval:.3g} ms too early"
        has_room = self._engine.has_room(self, now)
        self._interval = self._engine.interval(now, has_room)
        self._allowance.told(now, self._interval)
        return None if has_room else (Reason.BUSY, "the next batch is full")

    def _submit(
        self, record: Record, coded: Coded, arrived: float, refusal: tuple[Reason, str] | None
    ) -> None:
        self._note_gaps(record.id)
        self._pending += 1
        finish = partial(self._finish, record, arrived)
        if refusal is None:
            self._engine.submit(Work(self, coded, arrived, finish))
        else:
            finish(Outcome(refusal=refusal))

    def _finish(self, record: Record, arrived: float, outcome: Outcome) -> None:
        seconds = time.monotonic() - arrived
        record.server_ms, record.answer = 1000 * seconds, outcome.answer
        if outcome.refusal is not None:
            reason, text = outcome.refusal
            record.dropped, record.reason = True, text
            self._tell(Refusal(record.id, reason, text))
        else:
            record.concealed = outcome.concealed
            thousandths = round(1000 * (outcome.concealed or 0.0))
            self._tell(Result(record.id, _microseconds(seconds), outcome.answer, thousandths))
        self._pending -= 1
        self._end_behind_the_last()
        self._write(record, outcome.feature)

    def _note_gaps(self, frame: int) -> None:
        """Frames that the device dropped have numbers too."""
        for missing in range(frame if self._last_id < 0 else self._last_id + 1, frame)[-1000:]:
            self._write(
                Record(missing, dropped=True, reason="dropped on the device", device=self._name), None
            )
        self._last_id = max(self._last_id, frame)

    def _tell(self, message: Message) -> None:
        try:
            reply = pack(message, self._checked)
        except ValueError as error:  # an answer with infinite numbers
            reply = pack(Refusal(message.id, Reason.FAILED, str(error)), self._checked)
        self._put(reply)

    def _put(self, reply: bytes | None) -> None:
        if self._handler is None:  # it has ended
            return
        if self._replies.full():
            log.warning("%s does not read its answers, so its stream is ended", self._name)
            self._handler.cancel()
        else:
            self._replies.put_nowait(reply)


def _microseconds(seconds: float) -> int:
    return min(round(1e6 * seconds), (1 << 32) - 1)
