"""Strategies as this device and this server have them now: tried on a few images before the first frame.

    image ──► alone, then every point in turn, timed
    image ──► the same: a slow moment of the machine hits all alike  ──► strategies

`bottleneck plan` measures more of them on a data set, pictures included; this needs nothing but frontiers.
"""

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any

from bottleneck.runtime.device.connection import Connection
from bottleneck.runtime.device.half import Half
from bottleneck.runtime.device.routes import ALONE, wanted
from bottleneck.runtime.security import Security
from bottleneck.runtime.strategy import Spread, Strategy

_WARM_UP = 2  # times that everything is run on the first image before it counts


def tried(
    half: Half,
    images: Iterable[Any],
    server: str,
    security: Security,
    timeout: float,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Strategy]:
    """The device alone, and every point that the half has.

    Args:
        half: The device's.
        images: A few, as they will come, one at least; each is asked for when the last one has been tried.
        server: `HOST:PORT`. If it is not there, it is taken to be as fast as this device.
        security: Certificates and token.
        timeout: Seconds that a call may take.
        clock: Seconds of the device's work.

    Raises:
        RefusedError: If the server takes no such device.
    """

    def timed(way: Callable[[Any], Any], image: Any) -> tuple[Any, float]:
        started = clock()
        result = way(image)
        return result, 1000 * (clock() - started)

    server_ms = _server_ms(half, server, security, timeout)
    ways: list[Callable[[Any], Any]] = [half.alone]
    ways += [functools.partial(half.payload, route=route) for route in half.routes]
    rounds: list[list[tuple[Any, float]]] = []
    for image in images:
        for _ in range(0 if rounds else _WARM_UP):
            for way in ways:
                way(image)
        rounds.append([timed(way, image) for way in ways])
    alone, *routes = zip(*rounds, strict=True)
    alone_ms = Spread([ms for _, ms in alone])
    strategies = [Strategy(ALONE.name, None, alone_ms, Spread([0]), Spread([0]), half.value(ALONE))]
    for route, tries in zip(half.routes, routes, strict=True):
        device_ms = Spread([ms for _, ms in tries])
        rest = max(0.0, alone_ms.median - device_ms.median)
        strategies.append(
            Strategy(
                route.name,
                route.split,
                device_ms,
                Spread([1 + len(payload) for payload, _ in tries]),
                Spread([server_ms.get(route.name, rest)]),
                half.value(route),
                bundle=route.bundle,
                point=route.point,
            )
        )
    return strategies


def _server_ms(half: Half, server: str, security: Security, timeout: float) -> dict[str, float]:
    try:
        connection = Connection(server, security, timeout)
    except ConnectionError:
        return {}
    try:
        return {route.name: connection.switch(wanted(route, half.packing))[1] for route in half.routes}
    except ConnectionError:
        return {}
    finally:
        connection.close()
