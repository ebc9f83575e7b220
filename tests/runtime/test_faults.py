"""Whatever goes wrong on one side, the others go on."""

import dataclasses
import gc
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import psutil
import pytest

from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import Point, numbered_bundles, write_frontier
from bottleneck.runtime.device.client import Client
from bottleneck.runtime.link import Link
from bottleneck.runtime.messages import Frame, Reason, Refusal, Result, pack, unpack
from bottleneck.runtime.relay import Relay, constant
from bottleneck.runtime.serving import numbers, tails
from bottleneck.runtime.serving.server import Limits
from bottleneck.runtime.serving.tails import Tails

SERVICE = "/bottleneck.Runtime/"


class Raw:
    """A device that sends what it is told to, right or wrong."""

    def __init__(self, port, frontier):
        narrow = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", narrow)
        self._frontier = frontier

    def switch(self, wanted=None):
        """The number of a point."""
        if wanted is None:
            wanted = {"bundle": json.loads((self._frontier / "point-02/bundle.json").read_text())["id"]}
        answer = self._channel.unary_unary(SERVICE + "Switch")(json.dumps(wanted).encode(), timeout=60)
        return json.loads(answer)["point"]

    def stream(self, requests):
        """The replies to these messages."""
        return self._channel.stream_stream(SERVICE + "Stream")(iter(requests), timeout=60)

    def close(self):
        """End the connection."""
        self._channel.close()


@pytest.fixture
def raw(frontier):
    """Makes raw devices; they end with the test."""
    made = []

    def device(port):
        made.append(Raw(port, frontier))
        return made[-1]

    yield device
    for one in made:
        one.close()


@pytest.fixture
def payload(half, digits_images):
    """A payload of the best point."""
    return half.payload(digits_images[0], half.routes[0])


def until(condition, seconds=20.0):
    """Wait until something is so; whether it was in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_malformed_messages_are_answered_and_end_nothing(serve, raw, payload):
    """Of a thousand broken messages each is refused, on a stream that then answers a good one."""
    _, port = serve(limits=Limits(most_replies=5000))
    device, chosen = raw(port), random.Random(0)
    number = device.switch()
    good = pack(Frame(7, number, payload))
    broken = [b"", b"\x02" + good[1:], b"\x01\x77" + good[2:], pack(Result(1, 2, None)), good[:7]]
    broken += [chosen.randbytes(chosen.randrange(60)) for _ in range(995)]
    broken = [data for data in broken if data[:2] not in (b"\x01\x00", b"\x01\x01") or data == good[:7]]
    replies = [unpack(reply) for reply in device.stream([*broken, good])]
    refusals = [reply for reply in replies if isinstance(reply, Refusal)]
    assert len(refusals) == len(broken)
    assert {refusal.reason for refusal in refusals} == {Reason.MALFORMED}
    assert any(isinstance(reply, Result) and reply.id == 7 for reply in replies)


def test_what_is_no_payload_of_the_point_is_refused_alone(serve, raw, payload, digits_images, half):
    """No bytes, too many and an unknown point fail by themselves; the next frame is answered."""
    _, port = serve()
    device = raw(port)
    number = device.switch()
    frames = [Frame(0, number, b""), Frame(1, number, bytes(5000)), Frame(2, 200, payload)]

    def slowly():
        for frame in [*frames, Frame(3, number, payload)]:
            yield pack(frame)
            time.sleep(0.3)

    replies = {}
    for data in device.stream(slowly()):
        message = unpack(data)
        replies[message.id] = message
    assert [replies[index].reason for index in range(3)] == [Reason.PAYLOAD] * 2 + [Reason.UNKNOWN_POINT]
    assert isinstance(replies[3], Result)


def test_a_payload_of_another_point_harms_its_own_frame_alone(serve, raw, half, digits_images, payload):
    """It is refused or answered with nonsense, and the frame behind it as ever, in either order of points."""
    _, port = serve()
    device = raw(port)
    other = next(route for route in half.routes if route.point == 0)
    numbers = device.switch(), device.switch({"bundle": other.bundle})
    theirs = half.payload(digits_images[0], other)
    frames = [(0, theirs), (0, payload), (1, payload), (1, theirs)]

    def slowly():
        for index, (which, data) in enumerate(frames):
            yield pack(Frame(index, numbers[which], data))
            time.sleep(0.3)

    last = {message.id: message for message in map(unpack, device.stream(slowly()))}
    for wrong in (last[0], last[2]):
        assert isinstance(wrong, Result) or wrong.reason == Reason.PAYLOAD
    assert isinstance(last[1], Result)
    assert isinstance(last[3], Result)
    assert last[3].answer["top"][0]["class"] < 10


def test_a_clock_that_jumps_changes_nothing(serve, half, digits_images, monkeypatch):
    """Set a day forward, then two back, the system's clock has no part in ages, gates and time-outs."""
    _, port = serve()
    real, offset = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    with Client(f"127.0.0.1:{port}", half, timeout=30) as client:
        for jump in (0.0, 86_400.0, -86_400.0):
            offset[0] = jump
            record = client.ask(digits_images[0])
            assert record.strategy == "layer2-2"
            assert 0 < record.server_ms <= record.age_ms < 30_000
        assert client.connected


@pytest.mark.parametrize(
    "wanted", [{"bundle": "000000000000"}, {"codec": {"name": "range"}}, {"codec": {"name": "no"}}, {}, [1]]
)
def test_what_the_server_has_not_is_refused_by_switch(serve, raw, wanted):
    """Unknown bundles, codecs that code no pictures, and nonsense are an error of the caller's."""
    _, port = serve()
    with pytest.raises(grpc.RpcError) as error:
        raw(port).switch(wanted)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_that_is_too_long_ends_only_its_own_stream(serve, raw, payload):
    """Beyond the limit gRPC ends the stream, and a second device is answered."""
    _, port = serve(limits=Limits(longest=10_000))
    device = raw(port)
    number = device.switch()
    with pytest.raises(grpc.RpcError) as error:
        list(device.stream([pack(Frame(0, number, bytes(20_000)))]))
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    replies = [unpack(reply) for reply in raw(port).stream([pack(Frame(1, number, payload))])]
    assert isinstance(replies[-1], Result)


def test_a_device_that_never_reads_loses_its_stream_and_hurts_nobody(serve, raw, half, digits_images, caplog):
    """Replies for it do not pile up; another device is answered meanwhile."""
    server, port = serve(limits=Limits(most_replies=8))
    unread = raw(port).stream(os.urandom(30) for _ in range(200_000))
    assert until(lambda: "does not read its answers" in caplog.text)
    assert until(lambda: server.devices == 0)
    unread.cancel()
    with Client(f"127.0.0.1:{port}", half, timeout=30) as client:
        assert client.ask(digits_images[0]).strategy != "device"


def test_who_connects_and_says_nothing_hurts_nobody(serve, half, digits_images):
    """Forty half-open handshakes, to each a byte now and then, and a device is answered as ever."""
    _, port = serve()
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    with Client(f"127.0.0.1:{port}", half, timeout=30) as client:
        for byte in preface[:20]:
            for connection in slow:
                connection.send(bytes([byte]))
            assert client.ask(digits_images[0]).strategy != "device"
    for connection in slow:
        connection.close()


def test_a_stream_that_says_nothing_is_ended(serve, raw, half, digits_images):
    """After the server's patience, so that silent devices do not fill it; others are answered as ever."""
    server, port = serve(limits=Limits(idle=0.5))
    silence = threading.Event()
    replies = raw(port).stream(iter(silence.wait, True))  # asks for a first message, and waits
    assert until(lambda: server.devices == 1)
    assert not list(replies)  # its end
    silence.set()
    assert until(lambda: server.devices == 0)
    with Client(f"127.0.0.1:{port}", half, timeout=30) as client:
        assert client.ask(digits_images[0]).strategy != "device"


def test_two_servers_on_one_port(serve, capfd):
    """The second is told at once, with the key, and nothing else is said."""
    _, port = serve()
    with pytest.raises(ValueError, match=r"nothing can listen on 127.0.0.1:\d+.*Choose another port="):
        serve(address=f"127.0.0.1:{port}")
    assert not capfd.readouterr().err


def test_more_devices_than_allowed_are_alone(serve, half):
    """The one too many is not let in, and those that are there stay."""
    _, port = serve(limits=Limits(most_devices=1))
    with Client(f"127.0.0.1:{port}", half, timeout=30) as first:
        assert first.connected
        with Client(f"127.0.0.1:{port}", half, timeout=1) as second:
            assert until(lambda: not second.connected)
        assert first.connected


def test_a_half_open_connection_is_noticed(loop, serve, half, digits_images):
    """Where a link swallows everything, the device is alone in time, and comes back with the link."""
    _, port = serve()
    relay = Relay(("127.0.0.1", port), constant(Link(1e7)))
    relayed = loop.run(relay.start())
    try:
        with Client(f"127.0.0.1:{relayed}", half, timeout=1.5) as client:
            assert until(lambda: client.connected)
            relay.conditions = constant(Link(0.0))
            started = time.monotonic()
            assert client.ask(digits_images[0]).strategy == "device"
            assert time.monotonic() - started < 6
            relay.conditions = constant(Link(1e7))
            assert until(lambda: client.connected)
            assert client.ask(digits_images[0]).answer is not None
    finally:
        loop.run(relay.stop())


def test_a_new_frontier_is_taken_while_devices_are_answered(serve, half, frontier, tmp_path, digits_images):
    """A frontier that is replaced is read again; what is loaded still answers, what is new as well."""
    folder = shutil.copytree(frontier, tmp_path / "frontier")
    small = [Point(2, "point-02", 1.0, 8.0, 0.94)]
    write_frontier(folder, small, {"metric": "accuracy_top1"})
    server, port = serve(folder=folder)
    with Client(f"127.0.0.1:{port}", half, timeout=30) as client:
        assert client.ask(digits_images[0]).point == 2
        write_frontier(folder, [*small, Point(0, "point-00", 0.5, 4.0, 0.9)], {"metric": "accuracy_top1"})
        assert until(lambda: len(server._tails.describe()["bundles"]) == 2)
        assert client.ask(digits_images[1]).point == 2
    other = next(route for route in half.routes if route.point == 0)
    with Client(f"127.0.0.1:{port}", half, route=other, timeout=30) as client:
        assert client.ask(digits_images[0]).point == 0


def test_more_points_than_a_byte_can_name_are_answered(serve, raw, half, digits_images, monkeypatch):
    """Numbers of points out of use are given again, and no device that was told one is answered for it."""
    monkeypatch.setattr(numbers, "MOST", 4)
    monkeypatch.setattr(tails, "_USED", 2)
    _, port = serve()
    with Client(f"127.0.0.1:{port}", half, timeout=30) as client:
        first = client.ask(digits_images[0])
        device = raw(port)
        told = [device.switch({"codec": {"name": "jpeg", "quality": quality}}) for quality in range(1, 10)]
        assert set(told) == set(range(4))
        records = []
        assert until(lambda: records.append(client.ask(digits_images[0])) or records[-1].strategy != "device")
        assert [record.reason for record in records] == [None] * len(records)
        assert (records[-1].strategy, records[-1].answer) == (first.strategy, first.answer)


def test_a_new_frontier_of_another_network_leaves_the_old_one(
    serve, half, frontier, tmp_path, digits_images, caplog
):
    """Nothing of it is served, the log says why once, and a right one is taken behind it."""
    folder = shutil.copytree(frontier, tmp_path / "frontier")
    server, port = serve(folder=folder)
    foreign = dataclasses.replace(Bundle.read(folder / "point-00"), network="0" * 64, split="layer1")
    foreign.save(folder / "point-03")
    write_frontier(folder, [Point(3, "point-03", 0.5, 4.0, 0.9)], {"metric": "accuracy_top1"})
    time.sleep(3)
    assert foreign.id not in server._tails.describe()["bundles"]
    assert len([line for line in caplog.messages if "belongs to a network" in line]) == 1
    with Client(f"127.0.0.1:{port}", half, timeout=30) as client:
        assert client.ask(digits_images[0]).point == 2
    write_frontier(folder, [Point(0, "point-00", 0.5, 4.0, 0.9)], {"metric": "accuracy_top1"})
    assert until(lambda: len(server._tails.describe()["bundles"]) == 1)


def test_what_is_written_while_it_is_read_is_read_again(frontier, tmp_path, digits_network, monkeypatch):
    """A frontier replaced in that moment is not taken for the one that was read."""
    folder = shutil.copytree(frontier, tmp_path / "frontier")
    served = Tails([folder], digits_network)

    def replaced_meanwhile(path):
        found = numbered_bundles(path)
        write_frontier(folder, [Point(0, "point-00", 0.5, 4.0, 0.9)], {"metric": "accuracy_top1"})
        return found

    monkeypatch.setattr(tails, "numbered_bundles", replaced_meanwhile)
    served.reload()
    assert served.has_changed()


def test_a_server_keeps_a_tail_at_least(frontier, digits_network):
    """With none kept, each frame would load its own."""
    with pytest.raises(ValueError, match="keep=0"):
        Tails([frontier], digits_network, keep=0)


def test_a_damaged_new_frontier_leaves_the_old_one(serve, half, frontier, tmp_path, digits_images):
    """Half a frontier.json changes nothing for anybody."""
    folder = shutil.copytree(frontier, tmp_path / "frontier")
    server, port = serve(folder=folder)
    (folder / "frontier.json").write_text("{")
    time.sleep(1.5)
    assert len(server._tails.describe()["bundles"]) == 3
    with Client(f"127.0.0.1:{port}", half, timeout=30) as client:
        assert client.ask(digits_images[0]).point == 2


@pytest.fixture
def process(frontier, tmp_path):
    """Starts `bottleneck serve` as a process of its own; `process(port)`."""
    started = []

    def start(port):
        command = [sys.executable, "-m", "bottleneck", "serve", f"frontier={frontier}", f"port={port}"]
        one = subprocess.Popen(
            [*command, "page.port=null", f"hydra.run.dir={tmp_path}"], stdout=subprocess.PIPE, text=True
        )
        started.append(one)
        assert one.stdout.readline().startswith("serving 3 points")
        return one

    yield start
    for one in started:
        one.kill()
        one.wait()
        one.stdout.close()


def free_port():
    """A port that nobody has at present."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_a_killed_server_leaves_the_device_alone_until_there_is_a_new_one(process, half, digits_images):
    """After SIGKILL in mid-stream the device goes on within a time-out, and comes back by itself."""
    port = free_port()
    server = process(port)
    with Client(f"127.0.0.1:{port}", half, timeout=2.0) as client:
        assert client.ask(digits_images[0]).strategy == "layer2-2"
        server.send_signal(signal.SIGKILL)
        started = time.monotonic()
        assert client.ask(digits_images[1]).answer is not None
        assert time.monotonic() - started < 4
        assert until(lambda: client.ask(digits_images[2]).strategy == "device")
        process(port)
        assert until(lambda: client.ask(digits_images[3]).strategy == "layer2-2", 30)


@pytest.mark.slow
def test_sigterm_answers_what_is_there_and_ends(process, half, digits_images):
    """A server that is told to end says so with its exit code, and the device goes on alone."""
    port = free_port()
    server = process(port)
    with Client(f"127.0.0.1:{port}", half, timeout=5.0) as client:
        client.ask(digits_images[0])
        server.terminate()
        assert server.wait(30) == 0
        assert until(lambda: not client.connected)
        assert client.ask(digits_images[1]).strategy == "device"


@pytest.mark.slow
def test_a_link_that_is_cut_for_ten_seconds(loop, serve, half, digits_images):
    """Frames are answered by the device meanwhile, by the server before and after; each has its record."""
    _, port = serve()
    relay = Relay(("127.0.0.1", port), constant(Link(1e6, 0.01)))
    relayed = loop.run(relay.start())
    with Client(f"127.0.0.1:{relayed}", half, timeout=1.0) as client:
        assert until(lambda: client.connected)
        began, offered, records = time.monotonic(), 0, []
        while (now := time.monotonic() - began) < 24:
            relay.conditions = constant(Link(0.0 if 3 <= now < 13 else 1e6, 0.01))
            client.offer(digits_images[offered % 40])
            offered += 1
            records += [(now, record) for record in client.finished()]
            time.sleep(0.05)
        client.settle()
        records += [(now, record) for record in client.finished()]
    loop.run(relay.stop())
    assert sorted(record.id for _, record in records) == list(range(offered))
    shares = [
        [record.strategy == "device" for when, record in records if low <= when < high and not record.dropped]
        for low, high in ((0, 3), (8, 13), (21, 24))
    ]
    assert [bool(sum(share) > len(share) / 2) for share in shares] == [False, True, False]


@pytest.mark.slow
def test_two_hundred_devices_come_and_go_without_a_trace(serve, half, digits_images):
    """Threads, file descriptors and memory are afterwards what they were."""
    server, port = serve()
    process = psutil.Process()

    def once():
        with Client(f"127.0.0.1:{port}", half, timeout=30) as client:
            client.ask(digits_images[0])

    for _ in range(20):
        once()
    assert until(lambda: server.devices == 0)
    gc.collect()
    before = threading.active_count(), process.num_fds(), process.memory_info().rss
    for _ in range(200):
        once()
    assert until(lambda: server.devices == 0)
    gc.collect()
    assert until(lambda: threading.active_count() <= before[0] + 1)
    assert process.num_fds() <= before[1] + 5
    assert process.memory_info().rss < before[2] + 40e6
