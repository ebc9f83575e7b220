"""The emulated link: as slow, as late and as dead as it is told to be."""

import asyncio
import time

import pytest

from bottleneck.runtime.link import Link
from bottleneck.runtime.relay import Relay, constant, once, repeated
from bottleneck.runtime.traces import Trace


async def echo(reader, writer):
    """Answer every ten bytes with themselves."""
    try:
        while data := await reader.readexactly(10):
            writer.write(data)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def through(link, use, **options):
    """What `use(reader, writer, relay)` gives through a link in front of an echo."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    relay = Relay(server.sockets[0].getsockname(), constant(link), **options)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", await relay.start())
        result = await use(reader, writer, relay)
        writer.close()
        return result
    finally:
        await relay.stop()
        server.close()


async def round_trip(reader, writer, size=10):
    """Seconds until so many bytes are back."""
    started = time.monotonic()
    writer.write(bytes(size))
    await reader.readexactly(size)
    return time.monotonic() - started


def test_bytes_take_the_round_trip_and_their_time():
    """Ten bytes take the round trip; many take their share of the bandwidth besides, and all come back."""

    async def use(reader, writer, relay):
        return [  # the quickest of three: the machine has other work as well
            min([await round_trip(reader, writer, size) for _ in range(3)]) for size in (10, 10_000)
        ]

    small, large = asyncio.run(through(Link(50e3, 0.06), use))
    assert 0.06 <= small < 0.06 + 0.1
    assert 0.06 + 0.2 <= large < 0.06 + 0.2 + 0.4  # both ways at once, a packet behind


def test_a_dead_link_holds_everything_until_it_lives_again():
    """At no bytes a second nothing arrives; nothing is lost either."""

    async def use(reader, writer, relay):
        relay.conditions = constant(Link(0.0))
        writer.write(b"0123456789")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(asyncio.sleep(0.2))), 0.1)
        assert not reader._buffer
        relay.conditions = constant(Link(1e6))
        return await asyncio.wait_for(reader.readexactly(10), 5)

    assert asyncio.run(through(Link(1e6), use)) == b"0123456789"


def test_an_outage_is_waited_out():
    """What is sent in the middle of one arrives behind its end, and what is sent before it at once."""

    async def use(reader, writer, relay):
        relay.conditions = once(Trace([0], [1e6]).interrupted([(0.5, 1.2)]), rtt=0.02)
        relay.rewind()
        began = time.monotonic()
        before = await round_trip(reader, writer)
        await asyncio.sleep(began + 0.7 - time.monotonic())
        await round_trip(reader, writer)
        behind = time.monotonic() - began
        return before, behind, await round_trip(reader, writer)

    before, behind, afterwards = asyncio.run(through(Link(1e6), use))
    assert before < 0.4
    assert 1.2 <= behind < 2.0
    assert afterwards < 0.4


def test_a_lost_packet_comes_late():
    """TCP sends again what was lost, so that loss is delay; the order stays."""

    async def use(reader, writer, relay):
        return [await round_trip(reader, writer) for _ in range(5)]

    assert max(asyncio.run(through(Link(1e6), use, loss=0.5, seed=1))) >= 0.2
    # The quickest of three: the machine has other work as well.
    assert min(max(asyncio.run(through(Link(1e6), use, loss=0.0))) for _ in range(3)) < 0.2


def test_a_cut_breaks_connections_and_takes_new_ones():
    """After a cut the old connection is at its end."""

    async def use(reader, writer, relay):
        await round_trip(reader, writer)
        relay.cut()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await asyncio.wait_for(reader.readexactly(1), 5)

    asyncio.run(through(Link(1e6), use))


def through_udp(link, count, size=100, **options):
    """Numbers of the datagrams that come back from an echo behind a link, and the seconds that each took."""

    async def use():
        loop, came, left = asyncio.get_running_loop(), {}, {}

        class Echo(asyncio.DatagramProtocol):
            """Answers with what came."""

            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, addr):
                self.transport.sendto(data, addr)

        class Device(asyncio.DatagramProtocol):
            """Notes what comes back."""

            def datagram_received(self, data, addr):
                came[data[0]] = loop.time() - left[data[0]]

        server, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
        relay = Relay(server.get_extra_info("sockname"), constant(link), datagrams=True, **options)
        port = await relay.start()
        device, _ = await loop.create_datagram_endpoint(Device, remote_addr=("127.0.0.1", port))
        for number in range(count):
            left[number] = loop.time()
            device.sendto(bytes([number]) * size)
        seen = -1
        while seen < len(came):  # until nothing more comes
            seen = len(came)
            await asyncio.sleep(1.0)
        await relay.stop()
        device.close()
        server.close()
        return came

    return asyncio.run(use())


def test_lost_datagrams_are_gone_and_the_same_ones_again():
    """Datagrams take the round trip and their share of the bandwidth; of lost ones the seed decides."""
    came = through_udp(Link(1e6, 0.06), 40)
    assert len(came) == 40
    assert all(0.06 <= seconds < 0.4 for seconds in came.values())
    first, again = (set(through_udp(Link(1e6), 40, loss=0.3, seed=3)) for _ in range(2))
    assert first == again
    assert 5 < len(first) < 35


def test_datagrams_that_find_the_queue_full_are_gone():
    """A link holds half a second of them, and a dead one none."""
    assert 2 <= len(through_udp(Link(1000.0), 100)) < 10
    assert not through_udp(Link(0.0), 5)


STEPS, NOW = Trace([0, 2, 3, 4], [5.0, 7.0, 0.0, 1.0]), (0.0, 1.9, 2.0, 3.5, 4.0, 6.5)


def test_steps_repeat():
    """A trace says what holds from when on, and begins again at its end."""
    assert [repeated(STEPS, 0.1)(now) for now in NOW] == [Link(each, 0.1) for each in (5, 5, 7, 0, 5, 7)]
    with pytest.raises(ValueError, match="has an end"):
        repeated(Trace([0], [5.0]), 0.1)


def test_the_last_step_may_last():
    """Played once, a trace ends in what its last step says."""
    assert [once(STEPS, 0.1)(now) for now in NOW] == [Link(each, 0.1) for each in (5, 5, 7, 0, 1, 1)]


def test_impossible_links_are_refused():
    """The message has the command's keys."""
    for jitter, loss in ((-1, 0), (float("nan"), 0), (0, 1.5), (0, 1)):
        with pytest.raises(ValueError, match=rf"link\.jitter={jitter} with link\.loss={loss} is no link"):
            Relay(("127.0.0.1", 1), constant(Link(1.0)), jitter=jitter, loss=loss)


def test_a_held_link_stays_as_it_begins():
    """Whatever passes before somebody lets it begin, its trace is at its first step; then it goes on."""

    async def held():
        relay = Relay(("127.0.0.1", 9), once(Trace([0, 0.05], [1e6, 2e3]), 0.0))
        await relay.start()
        relay.hold()
        await asyncio.sleep(0.1)
        before = relay.link()
        relay.rewind()
        await asyncio.sleep(0.1)
        after = relay.link()
        await relay.stop()
        return before, after

    assert asyncio.run(held()) == (Link(1e6), Link(2e3))
