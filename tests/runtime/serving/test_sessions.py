"""Codecs that remember: each device has its own session, and a gap costs no more than a frame."""

import dataclasses
import gc
import time
import weakref

import pytest
import torch

from bottleneck.channel import Channel
from bottleneck.deploy.frontier import read_bundles
from bottleneck.deploy.networks import split_network
from bottleneck.deploy.sides import Server
from bottleneck.runtime.controller import Controller
from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.journal import Journal
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Spread, Strategy

PATIENCE = 30.0  # seconds: a busy machine is no dead link


@pytest.fixture(scope="module")
def streams(written):
    """Two points whose codecs remember, and lose something: what is decoded depends on all frames before."""
    options = {"key_every": 1000, "tolerance": 3}
    return written(("layer2", 0.05, "stream", options), ("layer2", 0.02, "stream", options))


@pytest.fixture
def halves(streams, digits_network):
    """Makes devices, each with sessions of its own."""
    return lambda: TorchHalf([streams], digits_network)


@pytest.fixture
def expected(streams, digits_network):
    """The scores that evaluation has of a stream of images: what its channel's session gives."""

    def scores(images):
        bundle = read_bundles(streams)[1][-1]
        net = split_network(bundle, digits_network)
        channel = Channel(bundle.codec, bundle.unit).session()
        with torch.no_grad():
            sent = [channel.transmit(net.head(image[None])) for image in images]
            answers = [torch.softmax(net.tail(one.feature)[0], 0) for one in sent]
        return answers, [one.payload_bytes[0] for one in sent]

    return scores


def until(condition, seconds=20.0):
    """Wait until something is so; whether it was in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def is_answer(record, scores):
    """Whether a record has these scores."""
    return all(
        entry["score"] == pytest.approx(float(scores[entry["class"]]), abs=1e-4)
        for entry in record.answer["top"]
    )


def test_two_devices_are_answered_as_evaluation_has_it(serve, streams, halves, expected, digits_images):
    """Interleaved, each device's payloads and answers are those of a session of its own, frame by frame."""
    _, port = serve(folder=streams)
    seen = digits_images[:12], digits_images[20:32].flip(0)
    wanted = [expected(images) for images in seen]
    with (
        Client(f"127.0.0.1:{port}", halves(), timeout=PATIENCE) as first,
        Client(f"127.0.0.1:{port}", halves(), timeout=PATIENCE) as second,
    ):
        for number in range(12):
            for client, images, (answers, sizes) in zip((first, second), seen, wanted, strict=True):
                record = client.ask(images[number])
                assert (record.strategy, record.bytes) == ("layer2-1", 1 + sizes[number])
                assert is_answer(record, answers[number])
    assert sum(wanted[0][1][1:]) < 11 * wanted[0][1][0]  # most frames were no key frames


def test_after_a_lost_frame_the_next_is_a_key_frame(serve, streams, halves, expected, digits_images):
    """What builds on a frame that never came is refused in its own way, and the one behind it is answered."""
    seen = Journal(time.monotonic)
    _, port = serve(folder=streams, journal=seen)
    half = halves()
    (answer,), (key_size,) = expected(digits_images[9:10])
    with Client(f"127.0.0.1:{port}", half, timeout=PATIENCE) as client:
        for image in digits_images[:3]:
            client.ask(image)
        half.payload(digits_images[3], half.routes[0])  # coded, and lost
        assert client.offer(digits_images[4])
        client.settle()
        *_, lost = client.finished()
        assert lost.dropped
        assert lost.reason.startswith("key_frame: this frame builds on one that did not arrive")
        assert client.connected
        record = client.ask(digits_images[9])
        assert record.bytes == 1 + key_size
        assert is_answer(record, answer)
    assert seen.drops == 1


def test_pictures_that_do_not_get_old_are_sent_again(serve, streams, halves, digits_images):
    """Who asks gets an answer also where the frame before was lost."""
    _, port = serve(folder=streams)
    half = halves()
    with Client(f"127.0.0.1:{port}", half, timeout=PATIENCE) as client:
        client.ask(digits_images[0])
        half.payload(digits_images[1], half.routes[0])
        assert client.ask(digits_images[2]).strategy == "layer2-1"


def test_frames_that_the_server_drops_cost_no_more_than_themselves(serve, streams, halves, digits_images):
    """Offered faster than they can be answered, frames are dropped on either side, and the rest answered."""
    _, port = serve(folder=streams)
    with Client(f"127.0.0.1:{port}", halves(), timeout=PATIENCE) as client:
        for index in range(300):
            client.offer(digits_images[index % 40])
            time.sleep(0.002)
        client.settle()
        records = client.finished()
    answered = [record for record in records if not record.dropped]
    assert len(answered) > 20
    assert len({record.bytes for record in answered}) > 1
    reasons = [record.reason for record in records if record.dropped]
    assert not [reason for reason in reasons if reason.startswith(("payload", "failed", "the link"))]


def test_each_route_is_a_stream_that_begins_anew_at_a_switch(serve, streams, halves, digits_images):
    """A device that goes from point to point and back is never refused."""
    _, port = serve(folder=streams)
    half = halves()

    once = Spread([1])
    strategies = [
        Strategy(**dataclasses.asdict(route), device_ms=once, payload_bytes=once, server_ms=once, value=0.9)
        for route in half.routes
    ]

    class Alternating(Controller):
        """Chooses every route for three frames."""

        asked = 0

        def choose(self, link, now):
            self.asked += 1
            return half.routes[self.asked // 3 % 2]

    with Client(
        f"127.0.0.1:{port}", half, controller=Alternating(strategies, Policy()), timeout=PATIENCE
    ) as client:
        end = time.monotonic() + 20
        while "layer2-0" not in {client.ask(image).strategy for image in digits_images[:6]}:
            assert time.monotonic() < end
        client.finished()
        for image in digits_images:
            client.ask(image)
        records = client.finished()
    assert {record.strategy for record in records} == {"layer2-0", "layer2-1"}
    assert not any(record.dropped for record in records)


def test_sessions_go_with_their_device(serve, streams, halves, digits_images, monkeypatch):
    """A device has one session, of the point that it sends to; when it has left there is none."""
    begun, session = weakref.WeakSet(), Server.session

    def remembered(shared):
        begun.add(own := session(shared))
        return own

    monkeypatch.setattr(Server, "session", remembered)
    server, port = serve(folder=streams)
    one, other = halves(), halves()
    with (
        Client(f"127.0.0.1:{port}", one, timeout=PATIENCE) as first,
        Client(f"127.0.0.1:{port}", other, timeout=PATIENCE) as second,
    ):
        for client in (first, second):
            client.ask(digits_images[0])
            client.ask(digits_images[1])
        assert len(begun) == 2
        first._choice.route = one.routes[1]
        assert until(lambda: first.ask(digits_images[2]).strategy == one.routes[1].name)
        gc.collect()
        assert len(begun) == 2
    assert until(lambda: server.devices == 0)
    gc.collect()
    assert not begun
