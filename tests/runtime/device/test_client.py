"""Device and server on loopback: what arrives is what evaluation would have had."""

import time

import pytest
import torch

import bottleneck
from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.connection import RefusedError
from bottleneck.runtime.device.routes import Fixed
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.link import Link
from bottleneck.runtime.relay import Relay, constant

PATIENCE = 30.0  # seconds: a busy machine is no dead link


@pytest.mark.parametrize("number", [0, 1, 2])
def test_answers_are_what_evaluation_has(serve, half, frontier, digits_network, digits_images, number):
    """Payloads are those of `bottleneck.load` to the byte, and the scores the network's to 1e-4."""
    _, port = serve()
    device, server = bottleneck.load(frontier, digits_network)
    route = next(route for route in half.routes if route.point == number)
    with Client(f"127.0.0.1:{port}", half, route=route, timeout=PATIENCE) as client:
        for image in digits_images[:12]:
            record = client.ask(image)
            payload = device(image, point=number)
            assert (record.strategy, record.point, record.bytes) == (route.name, number, len(payload))
            assert half.payload(image, route) == payload[1:]
            scores = torch.softmax(server(payload)[0], 0)
            for entry in record.answer["top"]:
                assert entry["score"] == pytest.approx(float(scores[entry["class"]]), abs=1e-4)
            assert record.answer["top"][0]["class"] == int(scores.argmax())
            assert record.age_ms >= record.device_ms + record.server_ms > 0


def test_a_picture_is_answered_by_the_whole_network(serve, half, digits_images):
    """Where a picture codec is the strategy, a lossless one gives the whole network's own answer."""
    _, port = serve()
    route = Fixed("png", "input", codec={"name": "png"})
    with Client(f"127.0.0.1:{port}", half, route=route, timeout=PATIENCE) as client:
        for image in digits_images[:4]:
            record = client.ask(image)
            assert record.split == "input"
            ours = half.alone(image)["top"]
            assert [entry["class"] for entry in record.answer["top"]] == [entry["class"] for entry in ours]
            assert record.answer["top"][0]["score"] == pytest.approx(ours[0]["score"], abs=1e-4)


def test_without_a_server_the_device_is_alone(half, digits_images):
    """A server that is not there is no error, and costs no answer."""
    with Client("127.0.0.1:9", half, timeout=0.3) as client:
        assert not client.connected
        record = client.ask(digits_images[0])
        assert record.answer == half.alone(digits_images[0])
        assert (record.strategy, record.split, record.bytes, record.link_ms) == ("device", None, None, None)


def test_every_offered_frame_is_answered_or_counted(serve, half, digits_images):
    """Offered faster than anything could be sent, each frame is answered, or dropped with a reason."""
    _, port = serve()
    with Client(f"127.0.0.1:{port}", half, timeout=PATIENCE) as client:
        taken = [client.offer(digits_images[index % 40]) for index in range(300)]
        client.settle()
        records = client.finished()
    assert sorted(record.id for record in records) == list(range(300))
    assert all((record.answer is None) == record.dropped == (record.reason is not None) for record in records)
    assert sum(taken) < 300
    assert any(not record.dropped for record in records)


class Cold(TorchHalf):
    """A half whose first payload takes a second longer, as where libraries load."""

    pause = 1.0

    def payload(self, image, route):
        time.sleep(self.pause)
        self.pause = 0.0
        return super().payload(image, route)


@pytest.mark.slow
def test_no_frame_waits_behind_a_first_one_that_took_a_second(
    loop, serve, frontier, digits_network, digits_images
):
    """Once the link is known, what would wait for it is dropped: ages stay near the round trip."""
    _, port = serve()
    relay = Relay(("127.0.0.1", port), constant(Link(1e6, 0.4)))
    relayed, half = loop.run(relay.start()), Cold([frontier], digits_network)
    with Client(f"127.0.0.1:{relayed}", half, timeout=PATIENCE) as client:
        for number in range(90):
            client.offer(digits_images[number % 40])
            time.sleep(0.05)
        client.settle()
        ages = [record.age_ms for record in client.finished() if not record.dropped]
    loop.run(relay.stop())
    assert ages[0] > 1400
    assert len(ages) > 5
    assert max(ages[2:]) < 600  # of the second the link was not known yet


def test_a_checked_connection_answers_as_well(serve, half, digits_images):
    """With a CRC on every message both routes, answers are the same."""
    _, port = serve()
    with Client(f"127.0.0.1:{port}", half, checked=True, timeout=PATIENCE) as client:
        checked = client.ask(digits_images[0]).answer
    with Client(f"127.0.0.1:{port}", half, timeout=PATIENCE) as client:
        assert client.ask(digits_images[0]).answer == checked


def test_another_network_is_refused(serve, frontier, digits_network):
    """A server of another network is an error at once, and the message has the cure."""
    _, port = serve()
    half = TorchHalf([frontier], digits_network)
    half.network = "0" * 64
    with pytest.raises(RefusedError, match="Load the same weights on both sides"):
        Client(f"127.0.0.1:{port}", half)


def test_another_frontier_is_refused(serve, half, bundle_folder):
    """A server that has other points says which it has."""
    _, port = serve(folder=bundle_folder)
    with pytest.raises(RefusedError, match=r"serve the same frontier"):
        Client(f"127.0.0.1:{port}", half)


def test_an_image_that_cannot_be_used_is_the_callers_error(serve, half, digits_images):
    """An image of the wrong size is told to whoever gave it, and the next one is answered."""
    _, port = serve()
    with Client(f"127.0.0.1:{port}", half, timeout=PATIENCE) as client:
        with pytest.raises(ValueError, match=r"\(1, 9, 9\)"):
            client.ask(torch.zeros(1, 9, 9, dtype=torch.uint8))
        assert client.ask(digits_images[0]).answer


def test_a_closed_client_takes_no_image(half, digits_images):
    """After `close` there is an error and no hanging."""
    client = Client("127.0.0.1:9", half, timeout=0.2)
    client.close()
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="closed"):
        client.ask(digits_images[0])
    assert time.monotonic() - started < 1
