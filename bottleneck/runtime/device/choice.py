"""Which way the next frame goes: the controller's choice, as far as the server is ready for it.

controller ──► route ──► loaded? ── no: the last one meanwhile, or the device alone
    ▲
    └── what is known of the link ◄── frames, and probes where they do not tell
"""

import itertools

from bottleneck.runtime.controller import Controller
from bottleneck.runtime.device.frames import Underway
from bottleneck.runtime.device.line import Line
from bottleneck.runtime.device.routes import ALONE, Route
from bottleneck.runtime.device.uplink import Uplink
from bottleneck.runtime.messages import Probe
from bottleneck.runtime.prober import Prober

_PROBES = 1 << 31  # their ids begin here, those of frames end


class Choice:
    """Chooses for one device; whoever calls holds the client's state.

    Args:
        route: What is sent where nobody chooses, and until somebody has; `ALONE`: nothing.
        controller: Chooses a strategy for every frame; `None`: always `route`.
        uplink: What is known of the link, and what is told of probes.

    Attributes:
        route: What was chosen last, of what is sent.
    """

    def __init__(self, route: Route, controller: Controller | None, uplink: Uplink[Underway]):
        self.route, self._controller, self._uplink = route, controller, uplink
        self._prober = None if controller is None else Prober(uplink.estimator, controller)
        self._probes = itertools.count(_PROBES)

    def at(self, now: float, line: Line) -> Route:
        """The route for a frame that is captured now; the last one while the server loads for another."""
        if line.connection is None:
            return ALONE
        route = self.route
        if self._controller is not None:
            route = self._controller.choose(self._uplink.link(now), now)
        if route.split is None:
            self.probe(now, line)
        elif line.number(route) is not None:
            self.route = route
        else:
            line.prepare(route)
            return self.route if line.number(self.route) is not None else ALONE
        return route

    def fall_back(self, route: Route) -> None:
        """The server has lost the route that was chosen, and has this one."""
        self.route = route

    def probe(self, now: float, line: Line) -> None:
        """Ask the link what it can do, where that could change the choice; while nothing else is sent."""
        if self._prober is None or line.connection is None:
            return
        if (padding := self._prober.size(now)) is not None:
            number = next(self._probes)
            self._uplink.sent(number, line.connection.send(Probe(number, padding)), now)
