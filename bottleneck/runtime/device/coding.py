"""Payloads that the server can decode: timed, and building on none where the one before may not have arrived.

    frame ──► behind a gap or a switch? ──► refresh ──► half ──► packets        the thread that computes
    refused, lost, never sent ──► broken                                        any thread

Everything but `packets` is called with the client's state.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from statistics import median

from bottleneck.runtime.device.frames import Underway
from bottleneck.runtime.device.half import Half
from bottleneck.runtime.device.routes import Route, key_of

_WINDOW = 9  # payloads whose median counts, so that a slow moment lets no frame wait


class Coding:
    """One device's.

    Args:
        half: What codes.
        state: The client's.
        clock: Seconds of some clock.
    """

    def __init__(self, half: Half, state: threading.Condition, clock: Callable[[], float] = time.monotonic):
        self._half, self._state, self._clock = half, state, clock
        self._follows: str | None = None  # the route whose last payload the server has, for all that is known
        self._key_frame = 0  # the last frame that builds on none
        self._seconds: dict[str, deque[float]] = {}

    def seconds(self, route: Route) -> float:
        """What a payload of a route takes by experience; 0 before there was any.

        The first payload is none: libraries load and compile in it, so it may take a hundred times as long.
        """
        seen = self._seconds.get(key_of(route))
        return median(seen) if seen else 0.0

    def packets(self, frame: Underway) -> list[bytes]:
        """What is sent for a frame, in one piece or several; how long it took is in the frame's record."""
        route, key, started = frame.route, key_of(frame.route), self._clock()
        with self._state:
            anew, self._follows = self._follows != key, key
            if anew:
                self._key_frame = frame.record.id
        if anew:
            self._half.refresh(route)
        payload = self._half.payload(frame.image, route)
        seconds = self._clock() - started
        frame.record.device_ms = 1000 * seconds + (frame.record.device_ms or 0.0)
        with self._state:
            if key in self._seconds:
                self._seconds[key].append(seconds)
            else:
                self._seconds[key] = deque(maxlen=_WINDOW)
        return self._half.packets(payload, route)

    def broken(self, frame: int | None = None) -> None:
        """A frame, of this number if that is known, was not decoded; later ones may build on it."""
        if frame is None or frame >= self._key_frame:
            self._follows = None
