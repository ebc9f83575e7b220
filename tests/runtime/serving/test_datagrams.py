"""Frames by UDP: the answers of gRPC where nothing is lost, and sound ones where something is."""

import socket
import time

import numpy as np
import pytest
import torch

from bottleneck.deploy.frontier import read_bundles
from bottleneck.deploy.pairs import both_sides
from bottleneck.lossy.concealment import create
from bottleneck.runtime.datagrams.greeting import greeting
from bottleneck.runtime.datagrams.packing import Packing
from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.connection import Connection, RefusedError
from bottleneck.runtime.device.routes import Fixed, wanted
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.journal import Journal
from bottleneck.runtime.link import Link
from bottleneck.runtime.messages import Announcement, Probe, Refusal, Result
from bottleneck.runtime.relay import Relay, constant
from bottleneck.runtime.security import Security
from bottleneck.runtime.serving.server import Limits

PATIENCE = 30.0  # seconds: a busy machine is no dead link
PACKING = Packing("channels", 100)  # so that a digit is as many packets as a large latent at 1400 bytes
ROOM = 84


@pytest.fixture(scope="module")
def frontier(written):
    """A point whose payloads are several packets; takes the place of the other tests' frontier."""
    return written(("layer1", 0.05, "range", {}, 16, 1))


@pytest.fixture(scope="module")
def half(frontier, digits_network):
    """A device that sends in one piece."""
    return TorchHalf([frontier], digits_network)


@pytest.fixture(scope="module")
def cut(frontier, digits_network):
    """A device whose payloads are cut."""
    return TorchHalf([frontier], digits_network, packing=PACKING)


@pytest.fixture
def lossy(loop, serve):
    """Starts a server behind a link that loses datagrams: `lossy(rate)` gives server and port."""
    relays = []

    def started(rate, seed=0, **options):
        server, port = serve(datagrams=True, **options)
        relay = Relay(("127.0.0.1", port), constant(Link(1e7)), seed=seed, datagrams=True)
        port = loop.run(relay.start())
        if rate:
            relay._lost[0].rate = rate  # of datagrams alone: what TCP sends again only takes time
        relays.append(relay)
        return server, port, relay

    yield started
    for relay in relays:
        loop.run(relay.stop())


def test_without_loss_answers_are_those_of_grpc(serve, half, cut, digits_images):
    """Cut and joined again, every frame has the same answer; records count packets, none lost."""
    _, port = serve(datagrams=True)
    with (
        Client(f"127.0.0.1:{port}", half, timeout=PATIENCE) as reliable,
        Client(f"127.0.0.1:{port}", cut, timeout=PATIENCE) as client,
    ):
        for image in digits_images[:12]:
            record, expected = client.ask(image), reliable.ask(image)
            assert record.answer["top"] == expected.answer["top"]
            assert record.packets > 1
            assert (record.lost_packets, record.concealed) == (0, 0.0)
            assert expected.packets is expected.concealed is expected.lost_packets is None


def test_what_is_lost_is_concealed_and_said(lossy, cut, digits_images):
    """With a third of the datagrams lost frames are answered from what arrived; records say of how much."""
    seen = Journal(time.monotonic)
    _, port, _ = lossy(0.33, journal=seen)
    with Client(f"127.0.0.1:{port}", cut, timeout=PATIENCE) as client:
        records = [client.ask(image) for image in digits_images]
    assert not any(record.dropped for record in records)
    partly = [record for record in records if record.lost_packets]
    whole = [record for record in records if record.lost_packets == 0]
    assert len(partly) > 5
    assert whole
    assert all(0 < record.concealed < 1 and record.lost_packets < record.packets for record in partly)
    assert all(record.concealed == 0 for record in whole)
    served = {seen.record.id: seen.record for seen in seen.since(0) if not seen.record.dropped}
    assert sorted(record.concealed for record in served.values()) == pytest.approx(
        sorted(record.concealed for record in records), abs=1e-3
    )
    assert {(one.strategy, one.split, one.point) for one in served.values()} == {
        (records[0].strategy, records[0].split, records[0].point)
    }


def test_copies_arrive_where_one_is_lost(lossy, frontier, digits_network, cut, digits_images):
    """Sent four times each, hardly a datagram is missed where half is lost; all copies count as bytes."""
    often = TorchHalf([frontier], digits_network, packing=Packing("channels", 100, copies=4))
    _, port, _ = lossy(0.5)
    shares, sizes = [], []
    for half in (cut, often):
        with Client(f"127.0.0.1:{port}", half, timeout=PATIENCE) as client:
            records = [client.ask(image) for image in digits_images[:40]]
        answered = [record for record in records if not record.dropped]
        shares.append(sum(r.lost_packets for r in answered) / sum(r.packets for r in answered))
        sizes.append(np.mean([record.bytes for record in records]))
    assert sizes[1] == 4 * sizes[0]
    assert shares[0] > 0.35
    assert shares[1] < 0.15


@pytest.mark.parametrize("copies", [0, 101, 1.5, True])
def test_copies_beyond_the_limits_are_refused(copies):
    """By the key."""
    with pytest.raises(ValueError, match=f"datagrams.copies={copies}: a datagram is sent at least once"):
        Packing(copies=copies)


class Thrifty:
    """Sends some of a device's datagrams only."""

    def __init__(self, path, kept):
        self._socket, self._kept, self._count = path, kept, 0

    def send(self, data):
        """Send, or lose."""
        self._count += 1
        if self._kept(self._count - 1):
            self._socket.send(data)

    def close(self):
        """As the socket's own."""
        self._socket.close()


@pytest.mark.parametrize("concealment", ["zero", "previous"])
def test_answers_of_parts_are_what_the_codec_and_the_concealment_make(
    loop, digits_network, frontier, cut, digits_images, concealment
):
    """The answer is the tail's for exactly what arrived, the rest filled from the device's last frame."""
    from bottleneck.runtime.serving.server import Server
    from bottleneck.runtime.serving.tails import Tails

    async def start():
        tails = Tails([frontier], digits_network, concealment=concealment)
        server = Server(tails, datagrams=True)
        return server, await server.start("127.0.0.1:0")

    server, port = loop.run(start())
    bundle = read_bundles(frontier)[1][-1]
    ((device, other),) = both_sides([bundle], digits_network)
    device, other = device.in_packets("channels", ROOM), other.in_packets("channels", ROOM)
    conceal = create(concealment).fit([np.zeros(bundle.codec.shape, np.float32)])
    with Client(f"127.0.0.1:{port}", cut, timeout=PATIENCE) as client:
        path = client._line.connection._path
        real = path._socket
        for number, image in enumerate(digits_images[:4]):
            packets = device.packets(device(image))
            lost = set() if number == 0 else {number % len(packets)}
            path._socket = Thrifty(real, lambda count, lost=lost: count not in lost)
            record = client.ask(image)
            arrived = [packet for index, packet in enumerate(packets) if index not in lost]
            feature, missing = other.received_in_part(arrived, conceal)
            with torch.no_grad():
                scores = torch.softmax(other.tail(feature, {})[0], 0)
            assert record.lost_packets == len(lost)
            assert record.concealed == pytest.approx(missing, abs=1e-3)
            for entry in record.answer["top"]:
                assert entry["score"] == pytest.approx(float(scores[entry["class"]]), abs=1e-4)
    loop.run(server.drain())


def test_of_nothing_there_is_no_answer(serve, cut, digits_images):
    """A frame whose every datagram is lost is dropped with that reason, and the next one is answered."""
    _, port = serve(datagrams=True)
    with Client(f"127.0.0.1:{port}", cut, timeout=PATIENCE) as client:
        client.ask(digits_images[0])
        path = client._line.connection._path
        real, path._socket = path._socket, Thrifty(path._socket, lambda count: False)
        started = time.monotonic()
        assert client.offer(digits_images[1])
        client.settle()
        *_, lost = client.finished()
        assert (lost.dropped, lost.reason) == (True, "lost: none of its packets arrived")
        assert lost.lost_packets == lost.packets > 1
        assert time.monotonic() - started < 5
        assert client.connected
        path._socket = real
        assert not client.ask(digits_images[2]).dropped


def test_codecs_that_remember_go_on_behind_a_loss(serve, written, digits_network, digits_images):
    """A payload in one piece is whole or lost; then the next frame is a key frame."""
    folder = written(("layer1", 0.05, "stream", {"key_every": 1 << 20}, 16, 1))
    seen = Journal(time.monotonic)
    _, port = serve(folder=folder, datagrams=True, journal=seen)
    half = TorchHalf([folder], digits_network, packing=PACKING)
    with Client(f"127.0.0.1:{port}", half, timeout=PATIENCE) as client:
        sizes = [client.ask(image).bytes for image in digits_images[:4]]
        path = client._line.connection._path
        real, path._socket = path._socket, Thrifty(path._socket, lambda count: count != 1)
        record = client.ask(digits_images[4])
        path._socket = real
        assert not record.dropped
        assert (record.lost_packets, record.concealed) == (0, 0.0)
        assert len(set(sizes)) > 1
        assert not client.ask(digits_images[5]).dropped
    reasons = [one.record.reason for one in seen.since(0) if one.record.dropped]
    assert set(reasons) == {"a part of it was lost, and it was one piece"}


def test_the_gate_lets_one_frame_go_at_a_time(lossy, cut, digits_images):
    """Offered faster than the link takes them, frames are dropped on the device; answers are fresh."""
    _, port, relay = lossy(0.2)
    relay.conditions = constant(Link(3000.0))
    with Client(f"127.0.0.1:{port}", cut, timeout=PATIENCE) as client:
        for index in range(100):
            client.offer(digits_images[index % 40])
            time.sleep(0.01)
        client.settle()
        records = client.finished()
    answered = [record for record in records if not record.dropped]
    assert len(answered) > 3
    assert sum(record.dropped for record in records) > 30
    assert max(record.age_ms for record in answered) < 1500
    assert any("would wait for the link" in record.reason for record in records if record.dropped)


def test_a_server_without_datagrams_is_told_of(serve, cut):
    """The message names the key on both sides."""
    _, port = serve()
    with pytest.raises(RefusedError, match=r"Set transport=datagram there, or transport=grpc here"):
        Client(f"127.0.0.1:{port}", cut, timeout=5)


def test_where_udp_is_blocked_the_device_is_alone(loop, serve, cut, digits_images, caplog):
    """A link that passes TCP on only costs no answer, and is named."""
    _, port = serve(datagrams=True)
    relay = Relay(("127.0.0.1", port), constant(Link(1e7)))
    relayed = loop.run(relay.start())
    with Client(f"127.0.0.1:{relayed}", cut, timeout=0.5) as client:
        assert not client.connected
        assert client.ask(digits_images[0]).strategy == "device"
    loop.run(relay.stop())


def test_where_udp_dies_the_device_is_alone(lossy, cut, digits_images):
    """After twenty frames of which nothing arrived the device goes on by itself."""
    _, port, relay = lossy(0.0)
    with Client(f"127.0.0.1:{port}", cut, timeout=1.0) as client:
        assert client.ask(digits_images[0]).strategy != "device"
        relay._lost[0].rate = 1.0
        assert client.ask(digits_images[1]).strategy == "device"


def test_tls_and_datagrams_are_refused_together(serve, cut):
    """What would go past TLS is not begun, on either side."""
    security = Security(authority=__file__)
    with pytest.raises(ValueError, match=r"transport=datagram sends frames in the clear, past tls"):
        Client("127.0.0.1:1", cut, security=security)
    with pytest.raises(ValueError, match=r"past tls\.\*"):
        serve(datagrams=True, security=security)


def test_pictures_are_one_piece(serve, cut, digits_images):
    """A picture codec's payload goes by UDP as well, whole or not at all."""
    _, port = serve(datagrams=True)
    route = Fixed("png", "input", codec={"name": "png"})
    with Client(f"127.0.0.1:{port}", cut, route=route, timeout=PATIENCE) as client:
        record = client.ask(digits_images[0])
    assert record.split == "input"
    assert record.lost_packets == 0


def test_nobody_elses_datagrams_are_taken(serve, cut, digits_images):
    """Frames in another's name, from another address or with a guessed secret, are refused."""
    server, port = serve(datagrams=True)
    with Client(f"127.0.0.1:{port}", cut, timeout=PATIENCE) as client:
        client.ask(digits_images[0])
        packetiser = client._line.connection._path._packetiser
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.connect(("127.0.0.1", port))
            forged = packetiser.cut(1000, [bytes(5)])
            for data in [*forged, greeting(packetiser.stream, bytes(16)), b"", b"\0", bytes(40)]:
                stranger.send(data)
            stranger.settimeout(0.2)
            with pytest.raises(TimeoutError):
                stranger.recv(100)
        assert not client.ask(digits_images[1]).dropped
    assert server._datagrams.refused >= 4
    end = time.monotonic() + 10
    while server._datagrams._devices and time.monotonic() < end:
        time.sleep(0.01)
    assert not server._datagrams._devices


@pytest.mark.parametrize("packing", [{"by": "colour", "mtu": 100}, {"by": "channels", "mtu": 5}, {}, 3])
def test_impossible_cuts_are_refused_by_switch(serve, cut, packing):
    """What a device asks for is checked; the message says what is wrong."""
    _, port = serve(datagrams=True)
    connection = Connection(f"127.0.0.1:{port}", Security(), PATIENCE)
    try:
        with pytest.raises(RefusedError, match="payloads cannot be cut as in"):
            connection.switch(wanted(cut.routes[0]) | {"packing": packing})
    finally:
        connection.close()


def test_announced_and_never_come(serve, cut):
    """An announcement alone is answered with a refusal, and a frame without one by the deadline."""
    _, port = serve(datagrams=True, limits=Limits(deadline=0.3))
    connection = Connection(f"127.0.0.1:{port}", Security(), PATIENCE, packing=PACKING)
    try:
        point, _ = connection.switch(wanted(cut.routes[0], PACKING))
        messages = connection.open()
        payload = cut.payload(np.zeros((1, 8, 8), np.uint8), cut.routes[0])
        packets = cut.packets(payload, cut.routes[0])
        for number, kept in ((0, 0), (1, len(packets) - 1)):
            path = connection._path
            real, path._socket = path._socket, Thrifty(path._socket, lambda count, kept=kept: count < kept)
            if number == 0:
                connection.send_frame(number, point, packets)
            else:
                path.send(number, point, packets)  # and no announcement
            path._socket = real
            found = next(message for message in messages if isinstance(message, Refusal | Result))
            assert found.id == number
            assert isinstance(found, Refusal if number == 0 else Result)
    finally:
        connection.close()


def test_announcements_of_frames_that_have_come_are_not_kept(serve):
    """A device that announces old frames all day fills no memory."""
    server, port = serve(datagrams=True)
    connection = Connection(f"127.0.0.1:{port}", Security(), PATIENCE, packing=PACKING)
    try:
        messages = connection.open()
        connection.send(Announcement(500, 100, 1))
        assert any(isinstance(message, Refusal) for message in messages)
        for number in range(500):
            connection.send(Announcement(number, 100, 1))
        connection.send(Probe(501, 0))
        assert any(message.id == 501 for message in messages)
        (stream,) = server._streams
        assert not stream._announced
    finally:
        connection.close()


def test_an_unknown_concealment_is_refused(frontier, digits_network):
    """Those that need training samples are none of a server's."""
    from bottleneck.runtime.serving.tails import Tails

    with pytest.raises(
        ValueError, match=r"datagrams\.concealment=correlated.*previous, running-mean, motion, zero"
    ):
        Tails([frontier], digits_network, concealment="correlated")
