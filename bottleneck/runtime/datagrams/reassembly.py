"""What arrives of frames, in whatever order, handed on whole or as it is when its time has come.

A frame is waited for from its first datagram on, or, where its sender announces behind them that it has sent
them all, for a moment from then on.

Datagrams may be lost, doubled, damaged and out of order. Frames of a stream are handed on by rising number:
once one is whole, earlier ones are waited for no longer. Everything is a function of the time passed in.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from bottleneck.runtime.datagrams.packetiser import Datagram

_MOST_OPEN = 4  # frames of a stream that are waited for at once


class Arrived(NamedTuple):
    """A frame, or what there is of it.

    Attributes:
        stream: Its stream.
        frame: Its number.
        point: Number of the operating point; 0 where nothing arrived.
        runs: Bytes without a gap between them, each from the beginning of a packet on.
        received: Bytes that arrived.
        total: Bytes that were sent.
        datagrams: How many arrived.
        last: When the last of them did, or when the frame was announced.
    """

    stream: int
    frame: int
    point: int
    runs: list[bytes]
    received: int
    total: int
    datagrams: int
    last: float

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return self.received == self.total


@dataclass
class _Open:
    """A frame that is waited for."""

    total: int
    due: float
    last: float
    parts: dict[int, Datagram] = field(default_factory=dict)

    @property
    def received(self) -> int:
        return sum(len(part.body) for part in self.parts.values())

    def arrived(self, stream: int, number: int) -> Arrived:
        point = next((part.point for part in self.parts.values()), 0)
        return Arrived(
            stream, number, point, self.runs(), self.received, self.total, len(self.parts), self.last
        )

    def runs(self) -> list[bytes]:
        runs: list[bytes] = []
        end = -1
        for offset in sorted(self.parts):
            part = self.parts[offset]
            if offset == end:
                runs[-1] += part.body
            elif part.begins:
                runs.append(part.body)
            else:  # the rest of a packet whose beginning is lost
                continue
            end = offset + len(part.body)
        return runs


class Reassembly:
    """Joins datagrams to frames again.

    Args:
        patience: Seconds that a frame is waited for, from its first datagram on.
        most_streams: Of which frames are waited for at once.
    """

    def __init__(self, patience: float = 0.05, most_streams: int = 64):
        if not patience >= 0:
            raise ValueError(f"patience={patience}: give seconds, 0 or more.")
        self._patience, self._most_streams = patience, most_streams
        self._open: dict[int, dict[int, _Open]] = {}
        self._done: dict[int, int] = {}

    def receive(self, data: bytes, now: float) -> list[Arrived]:
        """Take a datagram; the frames that are to be handed on now.

        Raises:
            ValueError: If it is none, or contradicts the others of its frame.
        """
        part = Datagram.unpack(data)
        if part.frame <= self._done.get(part.stream, -1):  # late, or doubled
            return []
        frame = self._frame(part.stream, part.frame, part.total, now)
        frames = self._open[part.stream]
        if frame.total != part.total:
            raise ValueError(f"frame {part.frame} has {part.total} bytes and {frame.total}: it was damaged.")
        frame.parts.setdefault(part.offset, part)
        frame.last = now
        if frame.received >= frame.total:
            return self._hand_on(part.stream, part.frame)
        oldest = sorted(frames)[-_MOST_OPEN - 1] if len(frames) > _MOST_OPEN else None
        return [] if oldest is None else self._hand_on(part.stream, oldest)

    def announce(self, stream: int, frame: int, total: int, now: float, patience: float) -> None:
        """All datagrams of a frame have left: what has not arrived is waited for so much longer at most.

        Raises:
            ValueError: If its stream is one too many.
        """
        if frame > self._done.get(stream, -1):
            waiting = self._frame(stream, frame, total, now)
            waiting.due = min(waiting.due, now + patience)

    def forget(self, stream: int) -> None:
        """A stream has ended; its number may be given to another."""
        self._open.pop(stream, None)
        self._done.pop(stream, None)

    def due(self, now: float) -> list[Arrived]:
        """Frames that have been waited for long enough."""
        found = []
        for stream in list(self._open):
            late = [number for number, frame in self._open[stream].items() if now >= frame.due]
            found += self._hand_on(stream, max(late)) if late else []
        return found

    def next_due(self) -> float | None:
        """When `due` will have something, if nothing else arrives."""
        times = [frame.due for frames in self._open.values() for frame in frames.values()]
        return min(times, default=None)

    def _frame(self, stream: int, number: int, total: int, now: float) -> _Open:
        if stream not in self._open and len(self._open) >= self._most_streams:
            raise ValueError(f"stream {stream} is one more than the {self._most_streams} that are served.")
        return self._open.setdefault(stream, {}).setdefault(number, _Open(total, now + self._patience, now))

    def _hand_on(self, stream: int, last: int) -> list[Arrived]:
        """Close the frames of a stream up to one."""
        frames = self._open[stream]
        numbers = sorted(number for number in frames if number <= last)
        self._done[stream] = last
        closed = [(number, frames.pop(number)) for number in numbers]
        if not frames:
            del self._open[stream]
        return [frame.arrived(stream, number) for number, frame in closed]
