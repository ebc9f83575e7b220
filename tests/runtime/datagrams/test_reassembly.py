"""Frames come out right however their datagrams arrive, and in time however many do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck import codecs
from bottleneck.runtime.datagrams.packetiser import Packetiser
from bottleneck.runtime.datagrams.reassembly import Reassembly

quick = settings(deadline=None, max_examples=40, derandomize=True, database=None)
SHAPE = (8, 6, 6)
ARRAY = np.random.default_rng(0).integers(-20, 20, SHAPE).astype(np.int32)


@pytest.fixture(scope="module")
def codec():
    return codecs.create("packets", SHAPE, codec="range", mtu=60).fit([ARRAY])


@quick
@given(data=st.data())
def test_whatever_arrives_is_symbols_and_a_mask(codec, data):
    """Any datagrams, in any order, some twice, make exactly what was in them."""
    packets = codec.coder.packets(ARRAY)
    sent = Packetiser(3, 130).cut(5, packets)
    kept = data.draw(st.sets(st.sampled_from(range(len(sent)))))
    order = data.draw(st.permutations([*kept, *list(kept)[:2]]))
    reassembly = Reassembly(patience=1.0)
    arrived = [frame for i in order for frame in reassembly.receive(sent[i], now=0.0)]
    assert not reassembly.due(0.9)
    arrived += reassembly.due(1.0)
    if not kept:
        assert not arrived
        return
    (frame,) = arrived
    assert frame.is_whole == (len(kept) == len(sent))
    found = codec.coder.receive(frame.runs)
    assert np.array_equal(found.array, np.where(found.mask, ARRAY, 0))
    assert found.mask.all() == frame.is_whole
    assert sum(map(len, frame.runs)) == frame.received
    assert reassembly.next_due() is None


def test_the_rest_of_a_packet_without_its_beginning_is_left_out():
    """A long packet is cut; behind a gap, bytes count from the next packet on."""
    sent = Packetiser(1, 26).cut(0, [bytes(25), b"next"])
    assert len(sent) == 4
    reassembly = Reassembly(patience=0)
    for data in sent[1:]:
        reassembly.receive(data, 0.0)
    (frame,) = reassembly.due(0.0)
    assert frame.runs == [b"next"]
    assert not frame.is_whole


def test_frames_are_handed_on_in_order():
    """A whole frame ends the wait for earlier ones; what comes later of those is too late."""
    cutter = Packetiser(1, 26)
    first, second = cutter.cut(1, [bytes(20)]), cutter.cut(2, [b"abc"])
    reassembly = Reassembly(patience=9)
    assert not reassembly.receive(first[0], 0.0)
    assert [(f.frame, f.is_whole) for f in reassembly.receive(second[0], 0.1)] == [(1, False), (2, True)]
    assert not reassembly.receive(first[1], 0.2)
    assert not reassembly.receive(second[0], 0.3)


def test_streams_do_not_meet():
    """Two devices may use the same numbers."""
    reassembly = Reassembly()
    for stream in (1, 2):
        (frame,) = reassembly.receive(Packetiser(stream).cut(1, [b"abc"])[0], 0.0)
        assert (frame.stream, frame.runs) == (stream, [b"abc"])


def test_memory_is_bounded():
    """However many frames and streams are begun, few are waited for."""
    reassembly = Reassembly(patience=9)
    begun = [reassembly.receive(Packetiser(1, 26).cut(n, [bytes(20)])[0], 0.0) for n in range(50)]
    assert [frame.frame for frames in begun for frame in frames] == list(range(46))
    for stream in range(2, 65):
        reassembly.receive(Packetiser(stream, 26).cut(0, [bytes(20)])[0], 0.0)
    with pytest.raises(ValueError, match="stream 65 is one more than the 64"):
        reassembly.receive(Packetiser(65, 26).cut(0, [bytes(20)])[0], 0.0)
    assert len(reassembly.due(9.0)) == 4 + 63
    assert not reassembly.receive(Packetiser(65, 26).cut(0, [bytes(20)])[0], 9.0)


def test_contradictions_and_bad_patience_are_refused():
    """Parts of one frame agree on its size; waiting takes no negative time."""
    reassembly = Reassembly()
    reassembly.receive(Packetiser(1, 26).cut(1, [bytes(20)])[0], 0.0)
    with pytest.raises(ValueError, match="frame 1 has 30 bytes and 20"):
        reassembly.receive(Packetiser(1, 26).cut(1, [bytes(30)])[0], 0.0)
    with pytest.raises(ValueError, match="patience=-1"):
        Reassembly(-1)


def test_behind_its_announcement_a_frame_is_waited_for_a_moment_only():
    """Announced, it is due soon instead of late, with nothing of it too; what is whole is due no more."""
    cutter = Packetiser(1, 26)
    sent = cutter.cut(1, [bytes(10), bytes(10)], point=7)
    reassembly = Reassembly(patience=9)
    assert not reassembly.receive(sent[0], 1.0)
    reassembly.announce(1, 1, 20, now=2.0, patience=0.5)
    assert reassembly.next_due() == 2.5
    (frame,) = reassembly.due(2.5)
    assert (frame.received, frame.total, frame.datagrams, frame.point, frame.last) == (10, 20, 1, 7, 1.0)
    reassembly.announce(1, 2, 30, now=3.0, patience=0.5)
    (nothing,) = reassembly.due(3.5)
    assert (nothing.frame, nothing.runs, nothing.received, nothing.total) == (2, [], 0, 30)
    assert reassembly.receive(cutter.cut(3, [b"abc"])[0], 4.0)[0].is_whole
    reassembly.announce(1, 3, 3, now=4.1, patience=0.5)
    assert reassembly.next_due() is None


def test_a_number_may_be_given_to_another_stream():
    """What was known of a stream is forgotten with it."""
    reassembly = Reassembly()
    assert reassembly.receive(Packetiser(1).cut(9, [b"abc"])[0], 0.0)
    reassembly.receive(Packetiser(1, 26).cut(10, [bytes(20)])[0], 0.0)
    reassembly.forget(1)
    assert reassembly.next_due() is None
    assert reassembly.receive(Packetiser(1).cut(0, [b"abc"])[0], 0.0)
