"""What arrives of frames, in whatever order, handed on whole or as it is when its time has come.

Datagrams may be lost, doubled, damaged and out of order. Frames of a stream are handed on by rising number:
once one is whole, earlier ones are waited for no longer. Everything is a function of the time passed in.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from bottleneck.runtime.datagrams.packetiser import Datagram

_MOST_STREAMS, _MOST_OPEN = 64, 4  # that are waited for at once


class Arrived(NamedTuple):
    """A frame, or what there is of it.

    Attributes:
        stream: Its stream.
        frame: Its number.
        runs: Bytes without a gap between them, each from the beginning of a packet on.
        received: Bytes that arrived.
        total: Bytes that were sent.
    """

    stream: int
    frame: int
    runs: list[bytes]
    received: int
    total: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return self.received == self.total


@dataclass
class _Open:
    """A frame that is waited for."""

    total: int
    since: float
    parts: dict[int, Datagram] = field(default_factory=dict)

    @property
    def received(self) -> int:
        return sum(len(part.body) for part in self.parts.values())

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
    """

    def __init__(self, patience: float = 0.05):
        if not patience >= 0:
            raise ValueError(f"patience={patience}: give seconds, 0 or more.")
        self.patience = patience
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
        if part.stream not in self._open and len(self._open) >= _MOST_STREAMS:
            raise ValueError(f"stream {part.stream} is one more than the {_MOST_STREAMS} that are served.")
        frames = self._open.setdefault(part.stream, {})
        frame = frames.setdefault(part.frame, _Open(part.total, now))
        if frame.total != part.total:
            raise ValueError(f"frame {part.frame} has {part.total} bytes and {frame.total}: it was damaged.")
        frame.parts.setdefault(part.offset, part)
        if frame.received >= frame.total:
            return self._hand_on(part.stream, part.frame)
        oldest = sorted(frames)[-_MOST_OPEN - 1] if len(frames) > _MOST_OPEN else None
        return [] if oldest is None else self._hand_on(part.stream, oldest)

    def due(self, now: float) -> list[Arrived]:
        """Frames that have been waited for long enough."""
        found = []
        for stream in list(self._open):
            late = [
                number for number, frame in self._open[stream].items() if now >= frame.since + self.patience
            ]
            found += self._hand_on(stream, max(late)) if late else []
        return found

    def next_due(self) -> float | None:
        """When `due` will have something, if nothing else arrives."""
        times = [frame.since for frames in self._open.values() for frame in frames.values()]
        return min(times) + self.patience if times else None

    def _hand_on(self, stream: int, last: int) -> list[Arrived]:
        """Close the frames of a stream up to one."""
        frames = self._open[stream]
        numbers = sorted(number for number in frames if number <= last)
        self._done[stream] = last
        closed = [(number, frames.pop(number)) for number in numbers]
        if not frames:
            del self._open[stream]
        return [Arrived(stream, number, f.runs(), f.received, f.total) for number, f in closed]
