"""Which way the next frame goes: the controller's choice, as far as the server is ready for it.

controller ──► route ──► loaded? ── no: the last one meanwhile, or the device alone
                 └── the device alone for a while? ──► a probe, so that the link is known
"""

from bottleneck.runtime.controller import Controller
from bottleneck.runtime.device.frames import Underway
from bottleneck.runtime.device.line import Line
from bottleneck.runtime.device.routes import ALONE, Route
from bottleneck.runtime.device.uplink import Uplink
from bottleneck.runtime.messages import Probe

_PROBE_SECONDS = 1.0  # between two looks at a link on which nothing is sent
_PROBE_TIME, _LARGEST_PROBE = 0.02, 1 << 14  # seconds that a probe should take, and bytes that it has at most
_PROBES = 1 << 31  # their ids begin here, those of frames end


class Choice:
    """Chooses for one device; whoever calls holds the client's state.

    Args:
        route: What is sent where nobody chooses, and until somebody has.
        controller: Chooses a strategy for every frame; `None`: always `route`.
        uplink: What is known of the link, and what is told of probes.

    Attributes:
        route: What was chosen last, of what is sent.
    """

    def __init__(self, route: Route, controller: Controller | None, uplink: Uplink[Underway]):
        self.route, self._controller, self._uplink = route, controller, uplink
        self._probes = 0

    def at(self, now: float, line: Line) -> Route:
        """The route for a frame that is captured now; the last one while the server loads for another."""
        if line.connection is None:
            return ALONE
        route = self.route
        if self._controller is not None:
            route = self._controller.choose(self._uplink.link(now), now)
        if route.split is None:
            if now - self._uplink.last_sent > _PROBE_SECONDS:
                number = _PROBES + self._probes
                self._probes += 1
                self._uplink.sent(number, line.connection.send(self._probe(number, now)), now)
        elif line.number(route) is not None:
            self.route = route
        else:
            line.prepare(route)
            return self.route if line.number(self.route) is not None else ALONE
        return route

    def _probe(self, number: int, now: float) -> Probe:
        """Odd ones measure the bandwidth, even ones the round trip."""
        padding = min(round(self._uplink.link(now).bandwidth * _PROBE_TIME), _LARGEST_PROBE)
        return Probe(number, padding if self._probes % 2 else 0)
