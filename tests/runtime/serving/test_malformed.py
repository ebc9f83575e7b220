"""A thousand messages of every wrong kind: each is refused, and nobody else notices."""

import gc
import itertools
import json
import queue
import random
import struct
import threading
import time

import grpc
import psutil
import pytest

from bottleneck.runtime.device.client import Client
from bottleneck.runtime.messages import (
    Announcement,
    Confirmation,
    Frame,
    Probe,
    Reason,
    Refusal,
    Result,
    pack,
    unpack,
)
from bottleneck.runtime.serving.server import Limits

SERVICE = "/bottleneck.Runtime/"
LONGEST = 10_000
MESSAGES = 1_000


class Device:
    """A device that sends any bytes, one message after another.

    Args:
        port: The server's.
    """

    def __init__(self, port):
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._open()

    def _open(self):
        self._out = queue.SimpleQueue()
        self._replies = self._channel.stream_stream(SERVICE + "Stream")(iter(self._out.get, None), timeout=60)

    def call(self, name, request):
        """The answer to a call."""
        return self._channel.unary_unary(SERVICE + name)(request, timeout=60)

    def send(self, data):
        """The last reply to a message; a frame that came too early is sent again."""
        while True:
            self._out.put(data)
            for message in map(unpack, self._replies):
                if isinstance(message, Confirmation):
                    time.sleep(message.interval / 1e6)
                else:
                    break
            if getattr(message, "reason", None) != Reason.BUSY:
                return message

    def ended(self, data):
        """The status with which a message ends the stream; a new one is opened behind it."""
        self._out.put(data)
        with pytest.raises(grpc.RpcError) as error:
            next(self._replies)
        self._out.put(None)
        self._open()
        return error.value.code()

    def close(self):
        """End the connection."""
        self._out.put(None)
        self._channel.close()


def changed(data, chosen):
    """A message with a checksum, of which a bit behind the header was changed on the way."""
    at = chosen.randrange(8, len(data))
    return data[:at] + bytes([data[at] ^ 1 << chosen.randrange(8)]) + data[at + 1 :]


def header(version=1, kind=0, flags=0, number=7):
    """The first seven bytes of a message."""
    return struct.pack(">BBBI", version, kind, flags, number)


def of_stream(chosen, point, payload):
    """Why and what: for each wrong kind of message one that a device might send.

    Args:
        chosen: Draws.
        point: Number of a point that the server has.
        payload: One of that point.
    """
    number = chosen.randrange(1000)
    good = pack(Frame(number, point, payload), checked=True)
    junk = chosen.randbytes(chosen.randrange(1, 60))
    noise = struct.pack(">512f", *(chosen.gauss(0, 1) for _ in range(512)))
    yield Reason.MALFORMED, b""
    yield Reason.MALFORMED, good[: chosen.randrange(1, 7)]  # less than a header
    yield Reason.MALFORMED, header(version=chosen.choice([0, *range(2, 256)])) + junk
    yield Reason.MALFORMED, header(kind=chosen.randrange(6, 256)) + junk
    yield Reason.MALFORMED, header(flags=chosen.randrange(2, 256)) + junk
    yield Reason.MALFORMED, changed(good, chosen)
    yield Reason.MALFORMED, good[: chosen.randrange(7, len(good))]  # ends too early
    yield Reason.MALFORMED, good + junk
    yield Reason.MALFORMED, header()  # a frame without a point
    yield Reason.MALFORMED, pack(Confirmation(number, 12, 4000, 1, 2))  # what only a server says
    yield Reason.MALFORMED, header(kind=2) + junk  # rarely of its length, and a server's all the same
    yield Reason.MALFORMED, pack(Result(number, 1500, {"top": [{"class": 3, "score": 0.9}]}))
    yield Reason.MALFORMED, header(kind=3) + bytes(6) + chosen.choice([b"NaN", b"-Infinity", b"1e999", b"{"])
    yield Reason.MALFORMED, header(kind=3) + bytes(6) + b"[" * 5_000
    yield Reason.MALFORMED, pack(Refusal(number, Reason.BUSY, "a word"))
    yield Reason.MALFORMED, header(kind=4) + bytes([chosen.randrange(8, 256)]) + junk
    yield Reason.MALFORMED, pack(Announcement(number, 5000, 5))  # to a server that takes no datagrams
    yield Reason.UNKNOWN_POINT, pack(Frame(number, chosen.randrange(100, 256), payload))
    yield Reason.PAYLOAD, pack(Frame(number, point, b""))
    yield Reason.PAYLOAD, pack(Frame(number, point, noise))  # of floats, and of another shape
    yield Reason.PAYLOAD, pack(Frame(number, point, bytes(chosen.randrange(1000, 9000))))


def of_switch(chosen, bundle):
    """For each wrong kind of request one that a device might send.

    Args:
        chosen: Draws.
        bundle: Identity of a bundle that the server has.
    """
    number = chosen.choice(["NaN", "-1", "1e999", "-Infinity", "101", "null", '"60"', "[]", "{}", "true"])
    cut = chosen.choice([{"by": "channels"}, {"by": "words", "mtu": 900}, {"by": "tiles", "mtu": -1}, [], 5])
    yield chosen.choice([b"", b"{", b"[" * 5_000, chosen.randbytes(20), b"null", b"[1]", b'"word"', b"{}"])
    yield json.dumps({"bundle": f"{chosen.randrange(1 << 48):012x}"}).encode()
    yield json.dumps({"bundle": chosen.choice([None, 5, [bundle], {"id": bundle}])}).encode()
    yield b'{"codec": {"name": "jpeg", "quality": %s}}' % number.encode()
    yield json.dumps({"codec": {"name": chosen.choice(["jpog", "range", "float32", "", 5])}}).encode()
    yield json.dumps(
        {"codec": {"name": "png", chosen.choice(["shape", "dtype", "input"]): [3, 9, 9]}}
    ).encode()
    yield json.dumps({"bundle": bundle, "packing": cut}).encode()


def wrong(device, chosen, point, payload, bundle):
    """One message of every wrong kind after another, each with what came of it and what should."""
    for reason, data in of_stream(chosen, point, payload):
        reply = device.send(data)
        yield data, getattr(reply, "reason", reply), reason
    for request in of_switch(chosen, bundle):
        yield request, refused(device, "Switch", request), grpc.StatusCode.INVALID_ARGUMENT
    junk = chosen.randbytes(chosen.randrange(1, 60))
    yield junk, refused(device, "Describe", junk), grpc.StatusCode.INVALID_ARGUMENT
    yield junk, refused(device, "Nothing", junk), grpc.StatusCode.UNIMPLEMENTED
    long = pack(Frame(0, point, bytes(LONGEST)))
    for name in ("Describe", "Switch"):
        yield long, refused(device, name, long), grpc.StatusCode.RESOURCE_EXHAUSTED
    for message in (Frame(0, point, bytes(LONGEST)), Probe(0, LONGEST)):
        long = pack(message)
        yield long, device.ended(long), grpc.StatusCode.RESOURCE_EXHAUSTED


def refused(device, name, request):
    """The status with which a call is refused."""
    with pytest.raises(grpc.RpcError) as error:
        device.call(name, request)
    return error.value.code()


@pytest.mark.slow
def test_a_thousand_wrong_messages_hurt_nobody(serve, half, digits_images):
    """Each is refused for what is wrong with it, another device is answered as ever, and nothing grows."""
    server, port = serve(limits=Limits(longest=LONGEST))
    route, process, chosen = half.routes[0], psutil.Process(), random.Random(16)
    payload = half.payload(digits_images[0], route)
    device, before = Device(port), None
    point = json.loads(device.call("Switch", json.dumps({"bundle": route.bundle}).encode()))["point"]
    rounds = (wrong(device, chosen, point, payload, route.bundle) for _ in itertools.count())
    with Client(f"127.0.0.1:{port}", half, timeout=30) as other:
        answers = [other.ask(image).answer for image in digits_images[:4]]
        messages = itertools.islice(itertools.chain.from_iterable(rounds), MESSAGES)
        for count, (data, became, expected) in enumerate(messages):
            assert became == expected, data[:80]
            if count % 20 == 0:
                record = other.ask(digits_images[count // 20 % 4])
                assert (record.strategy, record.answer) == (route.name, answers[count // 20 % 4])
            if count == MESSAGES // 4:
                gc.collect()
                before = threading.active_count(), process.num_fds(), process.memory_info().rss
        assert count == MESSAGES - 1
        assert isinstance(device.send(pack(Frame(1, point, payload))), Result)
        assert server.devices == 2
        gc.collect()
        assert threading.active_count() <= before[0] + 2
        assert process.num_fds() <= before[1] + 5
        assert process.memory_info().rss < before[2] + 20e6
    device.close()
