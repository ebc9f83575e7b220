"""The device follows its controller, and knows what the controller has to."""

import dataclasses
import time

from bottleneck.runtime.controller import Controller
from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.routes import ALONE
from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.link import Link
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Spread, Strategy


def test_tiny_payloads_do_not_hide_a_fast_link(serve, half, digits_images):
    """While a few bytes are sent, which tell nothing of the bandwidth, probes find that more would pay."""
    _, port = serve()
    tiny, large = half.routes[2], half.routes[0]
    strategies = [
        Strategy(
            **dataclasses.asdict(route),
            device_ms=Spread([ms]),
            payload_bytes=Spread([size]),
            server_ms=Spread([0]),
            value=0.9,
        )
        for route, ms, size in ((tiny, 100, 10), (large, 20, 100_000))
    ]
    controller = Controller(strategies, Policy("accuracy"), dwell=0.0, patience=1)
    estimator = Estimator(Link(10e3, 0.01))
    with Client(
        f"127.0.0.1:{port}", half, route=tiny, controller=controller, estimator=estimator, timeout=30.0
    ) as client:
        end = time.monotonic() + 30
        taken = [client.ask(digits_images[0]).strategy]
        while taken[-1] != large.name and time.monotonic() < end:
            taken.append(client.ask(digits_images[0]).strategy)
            time.sleep(0.02)
    assert (taken[0], taken[-1]) == (tiny.name, large.name)


def test_the_device_alone_can_be_the_one_way(serve, half, digits_images):
    """Whoever fixes it has every frame answered here, beside a server that is there and loads nothing."""
    _, port = serve()
    with Client(f"127.0.0.1:{port}", half, route=ALONE, timeout=30.0) as client:
        assert client.connected
        records = [client.ask(image) for image in digits_images[:3]]
    assert {(record.strategy, record.split, record.bytes) for record in records} == {("device", None, None)}
