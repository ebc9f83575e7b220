"""What happened, frame by frame: what pages, metrics and files are made from.

device, server ──► Journal ──┬──► the last records, features and pictures   the page
                             └──► whoever listens                           frames.jsonl, /metrics, terminal
"""

import dataclasses
import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

log = logging.getLogger(__name__)


@dataclass
class Record:
    """One frame; what is unknown, or does not apply, is `None`.

    Attributes:
        id: Its number, dropped frames counted.
        strategy: What sent it, by name; a server calls it as a device with the same frontiers does.
        split: The split point; `input` where a picture was sent.
        point: The point's id on its frontier.
        bytes: What crossed the link to the server: payloads, and for each a byte that names the point.
        dropped: Whether there was no answer, for the sake of fresh ones; `reason` says why.
        device_ms: What the device worked on it: preprocessing, head, coder.
        link_ms: The way there and back, and the wait for the gate.
        server_ms: From its arrival at the server to the answer's departure.
        age_ms: From its capture to the answer on the device.
        answer: What the network says (`bottleneck.runtime.answers`).
        device: Which device, where a server writes.
        bandwidth: Estimate of the link, in bytes a second.
        packets: Datagrams that were sent, where frames go by UDP; `lost_packets` of them did not arrive.
        concealed: Share of what was sent that the server filled in for that reason, from 0 to 1.
        asked_again: Whether the server was not sure of its first answer, so the picture was sent as well.
    """

    id: int
    strategy: str | None = None
    split: str | None = None
    point: int | None = None
    bytes: int | None = None
    dropped: bool = False
    device_ms: float | None = None
    link_ms: float | None = None
    server_ms: float | None = None
    age_ms: float | None = None
    answer: Any = None
    reason: str | None = None
    device: str | None = None
    bandwidth: float | None = None
    packets: int | None = None
    lost_packets: int | None = None
    concealed: float | None = None
    asked_again: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return dataclasses.asdict(self)


class Seen(NamedTuple):
    """A record in its journal.

    Attributes:
        number: Counts from 1.
        time: Seconds, by the journal's clock.
    """

    number: int
    time: float
    record: Record


class Journal:
    """The last records, for threads to write and others to read.

    Args:
        clock: Seconds of some clock.
        keep: Records that are kept; of images, which are large, `keep_images`, and of features one.

    Attributes:
        frames, drops, switches: Counted from the beginning; a device that changes its strategy switches.
    """

    def __init__(self, clock: Callable[[], float], keep: int = 600, keep_images: int = 12):
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: deque[Seen] = deque(maxlen=keep)
        self._images: deque[tuple[int, Any]] = deque(maxlen=keep_images)
        self._feature: tuple[int, np.ndarray] | None = None
        self._strategies: dict[str | None, str | None] = {}
        self._listeners: list[Callable[[Record], None]] = []
        self.frames = self.drops = self.switches = 0

    def listen(self, listener: Callable[[Record], None]) -> None:
        """Call a function with every record from now on, in the thread that writes it."""
        self._listeners.append(listener)

    def add(self, record: Record, image: Any = None, feature: np.ndarray | None = None) -> None:
        """Write a record.

        Args:
            record: The frame's.
            image: What was captured: anything that Pillow or NumPy knows as an image.
            feature: What the server decoded, `(C, H, W)`.
        """
        with self._lock:
            self.frames += 1
            self.drops += record.dropped
            self._seen.append(Seen(self.frames, self._clock(), record))
            if image is not None and not record.dropped:
                self._images.append((self.frames, image))
            if feature is not None:
                self._feature = (self.frames, feature)
            if not record.dropped:
                before = self._strategies.get(record.device, record.strategy)
                self.switches += before != record.strategy
                self._strategies[record.device] = record.strategy
        for listener in self._listeners:
            listener(record)

    def since(self, number: int) -> list[Seen]:
        """The records behind this number that are still kept."""
        with self._lock:
            return [seen for seen in self._seen if seen.number > number]

    def image(self, number: int) -> Any:
        """What was captured for the record of this number; `None` where it is not kept."""
        with self._lock:
            return next((image for known, image in self._images if known == number), None)

    def feature(self) -> tuple[int, np.ndarray] | None:
        """The last feature with its record's number; `None` before there was one."""
        with self._lock:
            return self._feature


class JsonLines:
    """A file with one record a line, written as they come.

    Where the disk is full, it ends with the last whole line, a warning says so, and the frames go on.

    Args:
        path: The file; an older one is replaced.
    """

    def __init__(self, path: Path):
        self._file = path.open("wb", buffering=0)
        self._lock = threading.Lock()
        self._size, self._full = 0, False

    def __call__(self, record: Record) -> None:
        line = (json.dumps(record.to_dict(), allow_nan=False) + "\n").encode()
        with self._lock:
            if self._full:
                return
            try:
                self._full, why = self._file.write(line) != len(line), "no room for a whole line"
            except OSError as error:
                self._full, why = True, str(error)
            if self._full:
                self._file.truncate(self._size)
                log.warning("%s is not written any further: %s. Frames go on.", self._file.name, why)
            else:
                self._size += len(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
