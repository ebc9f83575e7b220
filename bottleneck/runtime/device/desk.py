"""The device's one place to compute: a frame that is offered, and the thread that works on it.

offer ──► offered ──► computing ──► process(frame)        one at a time, so nothing waits here and gets old
"""

import threading
from collections import deque
from collections.abc import Callable

from bottleneck.runtime.device.frames import Underway


class Desk:
    """One device's; whoever calls holds the client's state, but for `work`.

    Args:
        state: The client's; it is told of every change.
        wait: Waits for a change of the state, while there is nothing to do.
        process: Works on a frame; called without the state.

    Attributes:
        computing: Whether a frame is worked on.
        error: What a frame ended with; it belongs to whoever offered the image.
        closed: Set when no frame is to be worked on any more.
    """

    def __init__(
        self,
        state: threading.Condition,
        wait: Callable[[], None],
        process: Callable[[Underway], None],
    ):
        self._state, self._wait, self._process = state, wait, process
        self._offered: deque[Underway] = deque()  # several where the link was lost with patient ones
        self.computing = self.closed = False
        self.error: Exception | None = None

    @property
    def is_taken(self) -> bool:
        """Whether a frame would have to wait."""
        return bool(self._offered) or self.computing

    @property
    def has_next(self) -> bool:
        """Whether it is known what is worked on next."""
        return bool(self._offered)

    def offer(self, frame: Underway) -> None:
        """Have a frame worked on, behind those that wait already."""
        self._offered.append(frame)
        self._state.notify_all()

    def raise_error(self) -> None:
        """Raise what the last frame ended with, once."""
        error, self.error = self.error, None
        if error is not None:
            raise error

    def work(self) -> None:
        """Work on frames until closed: what the computing thread does."""
        while True:
            with self._state:
                while not self._offered and not self.closed:
                    self._wait()
                if not self._offered:
                    return
                frame, self.computing = self._offered.popleft(), True
            try:
                self._process(frame)
            except Exception as error:
                self.error = error
            finally:
                with self._state:
                    self.computing = False
                    self._state.notify_all()
