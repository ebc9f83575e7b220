"""One device's stream on the server: what it sends, and what it is told.

bytes ──► message ──► confirmation          malformed ──► refusal, and the stream goes on
             └──► allowance ──► engine ──► result or refusal
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from bottleneck.runtime.journal import Record
from bottleneck.runtime.messages import (
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
        engine: What answers.
        longest: Bytes of the longest message.
        most_replies: Replies that may wait until the device reads them.
        write: Takes the record of every frame, and the feature that was decoded.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        longest: int,
        most_replies: int,
        write: Callable[[Record, Any], None],
    ):
        self._name, self._engine, self._longest, self._write = name, engine, longest, write
        self._replies: asyncio.Queue[bytes | None] = asyncio.Queue(most_replies + 1)
        self._handler = asyncio.current_task()
        self._reading: asyncio.Task[None] | None = None
        self._allowance = Allowance()
        self._session = Session()
        self._interval = 0.0  # what it was told last, and is held to
        self._checked = False
        self._pending = 0
        self._closing = False
        self._last_id: int | None = None

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
            if not isinstance(message, Frame | Probe):
                raise ValueError(f"a server takes frames, and no {type(message).__name__}.")
        except ValueError as error:
            self._tell(Refusal(id_of(data), Reason.MALFORMED, str(error)))
            return
        told, self._interval = self._interval, self._engine.interval(arrived)
        self._tell(Confirmation(message.id, len(data), min(round(1e6 * self._interval), (1 << 32) - 1)))
        if isinstance(message, Probe):
            return
        self._note_gaps(message.id)
        self._pending += 1
        finish = partial(self._finish, message, len(data), arrived)
        if self._allowance.admits(arrived, told):
            self._engine.submit(
                Work(self, Coded(message.point, message.payload, self._session), arrived, finish)
            )
        else:
            text = f"frames should be {1000 * told:.3g} ms apart"
            finish(Outcome(refusal=(Reason.BUSY, text)))

    def _finish(self, frame: Frame, nbytes: int, arrived: float, outcome: Outcome) -> None:
        seconds = time.monotonic() - arrived
        record = Record(
            frame.id,
            point=frame.point,
            bytes=nbytes,
            server_ms=1000 * seconds,
            answer=outcome.answer,
            device=self._name,
        )
        if outcome.refusal is not None:
            reason, text = outcome.refusal
            record.dropped, record.reason = True, text
            self._tell(Refusal(frame.id, reason, text))
        else:
            self._tell(Result(frame.id, round(1e6 * seconds), outcome.answer))
        self._write(record, outcome.feature)
        self._pending -= 1
        self._end_behind_the_last()

    def _note_gaps(self, frame: int) -> None:
        """Frames that the device dropped have numbers too."""
        for missing in range(frame if self._last_id is None else self._last_id + 1, frame)[-1000:]:
            self._write(
                Record(missing, dropped=True, reason="dropped on the device", device=self._name), None
            )
        self._last_id = frame

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
