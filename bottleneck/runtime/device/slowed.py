"""A slower device than this machine, for demonstrations."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from bottleneck.runtime.device.half import Half
from bottleneck.runtime.device.routes import Route

_MOST = 1_000_000  # hours for what takes milliseconds


class Slowed:
    """A half that takes several times as long: what it computed is held back.

    What counts is the calling thread's time on a processor (`clock`): whatever else this machine does, such
    as the server's work in a demonstration, is not multiplied.

    Args:
        half: What computes.
        factor: How many times as long everything takes, 1 to a million.

    Raises:
        ValueError: If the factor is below or above.
    """

    clock = staticmethod(time.thread_time)

    def __init__(self, half: Half, factor: float):
        if not 1 <= factor <= _MOST:
            raise ValueError(f"slower={factor} makes no slower device. Use 1 to {_MOST:,}, such as 20.")
        self._half, self._factor = half, factor
        self.routes, self.network, self.packing = half.routes, half.network, half.packing

    def payload(self, image: Any, route: Route) -> bytes:
        """As the half's own."""
        with self._held():
            return self._half.payload(image, route)

    def packets(self, payload: bytes, route: Route) -> list[bytes]:
        """As the half's own."""
        return self._half.packets(payload, route)

    def refresh(self, route: Route) -> None:
        """As the half's own."""
        self._half.refresh(route)

    def alone(self, image: Any) -> dict[str, Any]:
        """As the half's own."""
        with self._held():
            return self._half.alone(image)

    def value(self, route: Route) -> float:
        """As the half's own."""
        return self._half.value(route)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        began, worked = time.perf_counter(), self.clock()
        yield
        due = began + self._factor * (self.clock() - worked)
        time.sleep(max(0.0, due - time.perf_counter()))
