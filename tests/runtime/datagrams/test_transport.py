"""Over UDP on loopback: frames arrive, are confirmed, and what is lost on the way is given up in time."""

import asyncio
import socket

import pytest

from bottleneck.runtime.datagrams.packetiser import Packetiser
from bottleneck.runtime.datagrams.transport import Confirmed, Receiver, Sender

PACKETS = [bytes([n]) * 40 for n in range(30)]


async def both(use, **options):
    """Run `use(sender, receiver, frames)` with a sender that is connected to a receiver."""
    frames = []
    receiver = await Receiver.listen(frames.append, **options)
    sender = await Sender.connect("127.0.0.1", receiver.port, mtu=200, timeout=5)
    try:
        return await use(sender, receiver, frames)
    finally:
        sender.close()
        receiver.close()


def test_frames_arrive_and_are_confirmed():
    """Each before the next is sent."""

    async def use(sender, receiver, frames):
        said = [await sender.send(PACKETS) for _ in range(3)]
        assert said == [Confirmed(1200, 1200)] * 3
        assert [frame.frame for frame in frames] == [0, 1, 2]
        assert frames[0].runs == [b"".join(PACKETS)]

    asyncio.run(both(use, patience=2.0))


def test_what_is_lost_is_not_waited_for():
    """A frame without one of its datagrams is confirmed as far as it came, after the receiver's patience."""

    async def use(sender, receiver, frames):
        original, sender._transport.sendto = sender._transport.sendto, lambda data: None
        lost = asyncio.ensure_future(sender.send(PACKETS))
        await asyncio.sleep(0)
        datagrams = Packetiser(sender._packetiser.stream, 200).cut(0, PACKETS)
        sender._transport.sendto = original
        for data in datagrams[:2] + datagrams[3:]:
            original(data)
        said = await lost
        assert said.received == said.total - (len(datagrams[2]) - 16)
        assert len(frames[0].runs) == 2

    asyncio.run(both(use, patience=0.01))


def test_nobody_listening_is_no_answer():
    """A sender gives a frame up."""

    async def use():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            sender = await Sender.connect("127.0.0.1", silent.getsockname()[1], timeout=0.01)
            assert await sender.send(PACKETS) is None
            sender.close()

    asyncio.run(use())


def test_foreign_datagrams_are_counted():
    """Bytes that are no datagram change nothing."""

    async def use(sender, receiver, frames):
        sender._transport.sendto(b"what is this?")
        assert await sender.send([b"abc"]) == Confirmed(3, 3)
        assert receiver.refused == 1

    asyncio.run(both(use, patience=2.0))
    with pytest.raises(ValueError, match="mtu=3"):
        Sender(mtu=3)
