"""Strategies as device and server have them now."""

import itertools

import pytest

from bottleneck.runtime.device.connection import RefusedError
from bottleneck.runtime.device.trial import tried
from bottleneck.runtime.security import Security

NOBODY = "127.0.0.1:9"


def test_everything_that_the_half_has_is_tried_on_its_server(serve, half, digits_images):
    """The device alone sends nothing; a point takes the bytes of its payloads, and what the server says."""
    _, port = serve()
    images = digits_images[:3]
    alone, *points = tried(half, images, f"127.0.0.1:{port}", Security(), 20.0)
    assert (alone.name, alone.kind, alone.payload_bytes.mean, alone.server_ms.mean) == (
        "device",
        "device",
        0,
        0,
    )
    assert [point.name for point in points] == [route.name for route in half.routes]
    for point, route in zip(points, half.routes, strict=True):
        assert list(point.payload_bytes.samples) == [1 + len(half.payload(image, route)) for image in images]
        assert (point.bundle, point.point, point.value) == (route.bundle, route.point, half.value(route))
        assert point.server_ms.mean > 0


def test_ways_take_turns_on_the_clock_that_is_passed_in(half, digits_images):
    """A clock that runs faster and faster hits all ways alike: none is measured as a whole before another."""
    ticks = itertools.count()
    strategies = tried(half, digits_images[:2], NOBODY, Security(), 0.5, lambda: float(next(ticks)) ** 2)
    firsts, seconds = zip(*(strategy.device_ms.samples for strategy in strategies), strict=True)
    assert max(firsts) < min(seconds)


def test_images_are_asked_for_one_by_one(half, digits_images):
    """Whoever has no more patience ends the images: what was tried until then counts."""
    ticks = itertools.count()
    patience = itertools.takewhile(lambda _: next(ticks) < 5, digits_images[:4])
    strategies = tried(half, patience, NOBODY, Security(), 0.5, lambda: float(next(ticks)))
    assert {len(strategy.device_ms.samples) for strategy in strategies} == {1}


def test_a_server_that_is_not_there_is_as_fast_as_this_device(half, digits_images):
    """What a point leaves of the whole network's time is the server's."""
    alone, *points = tried(half, digits_images[:1], NOBODY, Security(), 0.5)
    for point in points:
        rest = alone.device_ms.median - point.device_ms.median
        assert point.server_ms.mean == pytest.approx(max(0.0, rest))


def test_a_server_that_refuses_is_told(serve, half, digits_images):
    """Another token is no slow server."""
    _, port = serve(security=Security(token="word"))
    with pytest.raises(RefusedError):
        tried(half, digits_images[:1], f"127.0.0.1:{port}", Security(), 20.0)
