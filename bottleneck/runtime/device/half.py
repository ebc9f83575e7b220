"""What a client needs of the device that it sends for."""

from collections.abc import Sequence
from typing import Any, Protocol

from bottleneck.runtime.datagrams.packing import Packing
from bottleneck.runtime.device.routes import Fixed, Route


class Half(Protocol):
    """What a client needs of the device. Where codecs remember earlier images, it is one client's.

    Attributes:
        routes: What it can send, the best first.
        network: Identity of the network's weights.
        packing: How payloads are cut; `None`: they are not.
    """

    @property
    def routes(self) -> Sequence[Fixed]: ...
    @property
    def network(self) -> str: ...
    @property
    def packing(self) -> Packing | None: ...

    def payload(self, image: Any, route: Route) -> bytes:
        """What is sent for one image; it may build on the last of this route."""

    def packets(self, payload: bytes, route: Route) -> list[bytes]:
        """What a payload is made of: packets that are of use alone, or itself."""

    def refresh(self, route: Route) -> None:
        """Have the next payload of a route build on none before it."""

    def alone(self, image: Any) -> dict[str, Any]:
        """The answer without a server."""

    def value(self, route: Route) -> float:
        """The metric of a route's answers, 0 where nobody knows; `ALONE`: of the device's own."""
