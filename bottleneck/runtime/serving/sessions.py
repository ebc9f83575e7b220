"""One device's session of the point that it sends to: what its payloads are decoded with, and nobody else's.

    first frame of a point ──► session of its receiver ──► further frames
                                  └── another point, its receiver loaded anew, the stream's end: gone

It belongs to the stream and goes with it, so nothing has to be told that a device has left. Only the worker's
thread uses it.
"""

from bottleneck.runtime.serving.tails import Receiver


class Session:
    """One device's, empty until its first frame."""

    def __init__(self) -> None:
        self._shared: Receiver | None = None
        self._own: Receiver

    def of(self, shared: Receiver) -> Receiver:
        """The session of what all devices share; it begins anew where that is another one than before."""
        if shared is not self._shared:
            self._shared, self._own = shared, shared.session()
        return self._own
