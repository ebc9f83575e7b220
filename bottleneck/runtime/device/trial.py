"""Strategies as this device and this server have them now: tried on a few images before the first frame.

`bottleneck plan` measures more of them on a data set, pictures included; this needs nothing but frontiers.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

from bottleneck.runtime.device.connection import Connection
from bottleneck.runtime.device.half import Half
from bottleneck.runtime.device.routes import ALONE, wanted
from bottleneck.runtime.security import Security
from bottleneck.runtime.strategy import Spread, Strategy


def tried(
    half: Half, images: Sequence[Any], server: str, security: Security, timeout: float
) -> list[Strategy]:
    """The device alone, and every point that the half has.

    Args:
        half: The device's.
        images: A few, as they will come; the first is tried twice, to warm up.
        server: `HOST:PORT`. If it is not there, it is taken to be as fast as this device.
        security: Certificates and token.
        timeout: Seconds that a call may take.

    Raises:
        RefusedError: If the server takes no such device.
    """
    images = [images[0], *images]
    answers, alone_ms = zip(*(_timed(half.alone, image) for image in images), strict=True)
    sizes = [len(json.dumps(answer)) for answer in answers]
    strategies = [
        Strategy(ALONE.name, None, Spread(alone_ms[1:]), Spread(sizes), Spread([0.0]), half.value(ALONE))
    ]
    server_ms = _server_ms(half, server, security, timeout)
    for route in half.routes:
        payloads, ms = zip(*(_timed(half.payload, image, route) for image in images), strict=True)
        device_ms = Spread(ms[1:])
        rest = max(0.0, strategies[0].device_ms.median - device_ms.median)
        strategies.append(
            Strategy(
                route.name,
                route.split,
                device_ms,
                Spread([1 + len(payload) for payload in payloads]),
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


def _timed(function: Any, *arguments: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    result = function(*arguments)
    return result, 1000 * (time.perf_counter() - started)
