"""A line to a server that is there, is not, or is none."""

import json
import logging
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.serving.server import Server
from bottleneck.runtime.serving.tails import Tails


@pytest.fixture
def nonsense():
    """Starts servers that answer calls with given bytes: `nonsense(describe, switch)` gives the port."""
    servers = []

    def started(describe, switch=b"{}"):
        server = grpc.server(ThreadPoolExecutor(2))
        handlers = {
            "Describe": grpc.unary_unary_rpc_method_handler(lambda *_: describe),
            "Switch": grpc.unary_unary_rpc_method_handler(lambda *_: switch),
        }
        handler = grpc.method_handlers_generic_handler("bottleneck.Runtime", handlers)
        server.add_generic_rpc_handlers([handler])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return port

    yield started
    for server in servers:
        server.stop(None)


@pytest.mark.parametrize(
    ("describe", "switch"),
    [
        ("[]", "{}"),
        ("{}", "{}"),
        ('{"network": null}', "{}"),
        (None, "{}"),
        (None, '{"point": null, "server_ms": 1}'),
        (None, "5"),
    ],
)
def test_a_server_that_answers_nonsense_is_none(nonsense, half, digits_images, describe, switch):
    """The device is alone, and goes on trying."""
    good = json.dumps({"network": half.network, "datagrams": False})
    port = nonsense((describe or good).encode(), switch.encode())
    with ThreadPoolExecutor(1) as thread:
        client = thread.submit(Client, f"127.0.0.1:{port}", half, timeout=5.0).result(20)
    with client:
        assert client.ask(digits_images[0]).strategy == "device"
        assert client._threads[1].is_alive()


def test_why_the_device_is_alone_is_said_once(half, caplog):
    """A server that was never there is named in one line, however often it is tried."""
    with (
        caplog.at_level(logging.WARNING, "bottleneck"),
        Client("127.0.0.1:9", half, timeout=0.2) as client,
        client._state,
    ):
        client._state.wait(1.0)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("alone: 127.0.0.1:9 does not answer")


def test_a_listener_that_fails_does_not_leave_the_device_alone(serve, half, digits_images):
    """What goes wrong with an answer costs the connection, and the next one is as good."""
    from bottleneck.runtime.journal import Journal

    _, port = serve()
    journal, failing = Journal(lambda: 0.0), [True]

    def listener(record):
        if record.strategy != "device" and failing:
            failing.pop()
            raise KeyError("a listener's own mistake")

    journal.listen(listener)
    with Client(f"127.0.0.1:{port}", half, timeout=30.0, journal=journal) as client:
        for image in digits_images[:20]:
            client.offer(image)
            client.settle()
        assert not failing
        with client._state:
            assert client._state.wait_for(lambda: client.connected, 20)
        assert client.ask(digits_images[0]).strategy != "device"


@pytest.mark.parametrize("server", ["localhost", "localhost:", ":50051", "localhost:http", "localhost:70000"])
def test_an_address_has_a_host_and_a_port(half, server):
    """Anything else is refused by its key; nobody waits for it."""
    with pytest.raises(ValueError, match=f"server={server} is no address"):
        Client(server, half)


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_a_timeout_is_a_time(half, timeout):
    """Where no answer could be in time, the key is named."""
    with pytest.raises(ValueError, match="timeout="):
        Client("127.0.0.1:9", half, timeout=timeout)


def test_a_server_that_comes_back_with_other_points_is_used_for_those(
    written, loop, digits_network, digits_images, tmp_path
):
    """The device's own point is gone after a restart; it sends another that both have."""
    both = written(("layer2", 0.2, "range", {}), ("layer2", 0.05, "range", {}))
    half = TorchHalf([both], digits_network)
    served = shutil.copytree(both / "point-01", tmp_path / "served")

    async def start():
        server = Server(Tails([served], digits_network))
        return server, await server.start("127.0.0.1:0")

    server, port = loop.run(start())
    with Client(f"127.0.0.1:{port}", half, timeout=30.0) as client:
        assert client.ask(digits_images[0]).point == 1
        loop.run(server.drain())
        shutil.rmtree(served)
        shutil.copytree(both / "point-00", served)

        async def again():
            server = Server(Tails([served], digits_network))
            await server.start(f"127.0.0.1:{port}")
            return server

        server = loop.run(again())
        end = time.monotonic() + 20
        while not client.connected and time.monotonic() < end:
            time.sleep(0.05)
        record = client.ask(digits_images[0])
        assert (record.strategy, record.point) == ("layer2-0", 0)
    loop.run(server.drain())
