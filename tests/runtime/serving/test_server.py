"""What a server takes, and what it refuses before it listens."""

import gc
import socket
import threading
import time
import weakref

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bottleneck import models
from bottleneck.deploy.places import found
from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.routes import picture, wanted
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.journal import Journal
from bottleneck.runtime.messages import Frame
from bottleneck.runtime.page.metrics import Metrics
from bottleneck.runtime.serving.server import Limits, Server
from bottleneck.runtime.serving.sessions import Session
from bottleneck.runtime.serving.tails import Tails
from bottleneck.runtime.serving.worker import Coded, Worker


@pytest.mark.parametrize(
    ("limit", "key", "value"),
    [
        ("most_devices", "limits.devices", 0),
        ("longest", "limits.message", -1),
        ("idle", "idle", 0.0),
        ("deadline", "deadline", 0.0),
        ("grace", "grace", -1.0),
        ("patience", "patience", -0.1),
    ],
)
def test_limits_that_let_nothing_through_are_refused(limit, key, value):
    """The message has the limit, as the configuration calls it."""
    with pytest.raises(ValueError, match=f"{key}={value}"):
        Limits(**{limit: value})


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "nowhere.invalid:0", "127.0.0.1:http"])
def test_an_address_that_is_none_is_refused(loop, frontier, digits_network, address):
    """In one sentence, with the reason and both keys."""
    server = Server(Tails([frontier], digits_network))
    with pytest.raises(ValueError, match=r"listen on .* \(.+\)\. Choose another port= or host=\."):
        loop.run(server.start(address))


def test_ipv6_needs_no_brackets(serve, half, digits_images):
    """`host=::1` is an address like another."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    _, port = serve(address="::1:0")
    with Client(f"[::1]:{port}", half, timeout=30.0) as client:
        assert client.ask(digits_images[0]).strategy == half.routes[0].name


@pytest.mark.parametrize("number", [0, 1, 2, "png"])
def test_both_ends_say_the_same_of_a_frame(serve, half, digits_images, number):
    """Its records have one strategy, split point, point and size, whoever writes them; so have metrics."""
    seen = Journal(lambda: 0.0)
    metrics = Metrics(seen)
    _, port = serve(journal=seen)
    known = {route.point: route for route in half.routes} | {"png": picture({"name": "png"})}
    others = [route for route in half.routes if route != known[number]]  # the server's first number is theirs
    for route, images in ((others[0], digits_images[:1]), (known[number], digits_images[1:4])):
        with Client(f"127.0.0.1:{port}", half, route=route, timeout=30.0) as client:
            ours = [client.ask(image) for image in images]

    def said(record):
        return record.id, record.strategy, record.split, record.point, record.bytes

    _, *theirs = [found.record for found in seen.since(0)]
    assert list(map(said, theirs)) == list(map(said, ours))
    assert None not in (theirs[0].strategy, theirs[0].split)
    assert f'bottleneck_frames_total{{strategy="{ours[0].strategy}"}} 3.0' in metrics.exposition().decode()


def test_frames_that_a_device_dropped_are_counted_once(serve, half, digits_images):
    """Also where its numbers go back, by mistake or to have the server count all day."""
    from bottleneck.runtime.device.connection import Connection
    from bottleneck.runtime.device.routes import wanted
    from bottleneck.runtime.security import Security

    seen = Journal(lambda: 0.0)
    _, port = serve(journal=seen)
    connection = Connection(f"127.0.0.1:{port}", Security(), 30.0)
    point, _ = connection.switch(wanted(half.routes[0]))
    payload = half.payload(digits_images[0], half.routes[0])
    messages = connection.open()
    for number in (3, 6, 3, 6, 8):
        connection.send(Frame(number, point, payload))
        for _ in range(2):
            next(messages)
    connection.close()
    dropped = [found.record.id for found in seen.since(0) if found.record.reason == "dropped on the device"]
    assert dropped == [4, 5, 7]


def test_a_network_in_half_precision_serves_the_same_devices(digits_images):
    """Devices know the network that their bundles were made for, whatever the server runs it in."""
    folder = found("zoo:digits/default")
    half = TorchHalf([folder], models.create("digits_resnet"))
    tails = Tails([folder], models.create("digits_resnet").half())
    assert tails.describe()["network"] == half.network
    number, _ = tails.number(wanted(half.routes[0]))
    coded = Coded(number, [half.payload(digits_images[0], half.routes[0])], Session())
    (outcome,) = Worker(tails)([coded])
    assert outcome.refusal is None
    assert len(outcome.answer["top"]) == 5


def test_health_is_told_to_whoever_asks(serve):
    """Load balancers ask the standard service, for the whole server or for ours; others it does not know."""
    _, port = serve()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        for service in ("", "bottleneck.Runtime"):
            status = check(health_pb2.HealthCheckRequest(service=service), timeout=30).status
            assert status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as refused:
            check(health_pb2.HealthCheckRequest(service="another"), timeout=30)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_tails_that_were_not_used_for_longest_leave_memory(frontier, digits_network, half):
    """`keep=2` of three points are in memory: not the one that was used before the others."""
    tails, used = Tails([frontier], digits_network, keep=2), []
    for route in (half.routes[i] for i in (0, 1, 0, 2)):
        number, _ = tails.number(wanted(route))
        used.append(weakref.ref(tails.receiver(number)))
    gc.collect()
    assert [one() is not None for one in used] == [True, False, True, True]


def test_draining_answers_the_frame_that_is_under_way(loop, frontier, half, digits_images):
    """A server that is told to end takes no more frames, and answers the one that it has."""
    slow, under_way, network = threading.Event(), threading.Event(), models.create("digits_resnet")

    def linger(*_):
        if slow.is_set():
            under_way.set()
            time.sleep(1.0)

    hooked = network.network.fc.register_forward_hook(linger)

    async def start():
        server = Server(Tails([frontier], network))
        return server, await server.start("127.0.0.1:0")

    server, port = loop.run(start())
    with Client(f"127.0.0.1:{port}", half, timeout=30.0) as client:
        assert client.ask(digits_images[0]).strategy == half.routes[0].name
        slow.set()
        client.offer(digits_images[1])
        assert under_way.wait(30)
        loop.run(server.drain())
        client.settle()
        *_, record = client.finished()
    hooked.remove()
    assert (record.strategy, record.dropped) == (half.routes[0].name, False)
    assert record.answer["top"]
