"""Frames in datagrams: full, whole packets where they fit, flushed at the end."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck.runtime.datagrams.packetiser import LONGEST_FRAME, Datagram, Packetiser

quick = settings(deadline=None, max_examples=40, derandomize=True, database=None)
packets = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=12)


def test_golden_bytes():
    """Stream, frame, offset, total, flags, point, body."""
    (data,) = Packetiser(7).cut(9, [b"ab", b"c"], 5)
    assert data.hex() == "0007" + "00000009" + "00000000" + "00000003" + "03" + "05" + "616263"


@quick
@given(sent=packets, room=st.integers(1, 60))
def test_datagrams_are_the_frame(sent, room):
    """They keep to their size, cover the frame in order, and begin with a packet unless one is too long."""
    cut = [Datagram.unpack(data) for data in Packetiser(1, 16 + room).cut(4, sent)]
    starts = {sum(map(len, sent[:n])) for n in range(len(sent))}
    offset = 0
    for datagram in cut:
        assert (datagram.stream, datagram.frame, datagram.offset) == (1, 4, offset)
        assert 0 < len(datagram.body) <= room
        assert datagram.begins == (offset in starts)
        offset += len(datagram.body)
    assert b"".join(datagram.body for datagram in cut) == b"".join(sent)
    if max(map(len, sent)) <= room:
        assert all(datagram.begins for datagram in cut)
        for first, second in itertools.pairwise(cut):  # the next packet would not have fitted
            following = next(len(p) for n, p in enumerate(sent) if sum(map(len, sent[:n])) == second.offset)
            assert len(first.body) + following > room


@quick
@given(data=st.binary(max_size=40))
def test_foreign_bytes_are_refused_or_possible(data):
    """What is read as a datagram lies within its frame."""
    try:
        datagram = Datagram.unpack(data)
    except ValueError:
        return
    assert datagram.offset + len(datagram.body) <= datagram.total <= LONGEST_FRAME
    assert datagram.pack() == data


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: Packetiser(1, 16), "mtu=16 leaves no room behind a datagram's header of 16 bytes"),
        (lambda: Packetiser(1, 70_000), "the 65,507 of UDP"),
        (lambda: Packetiser(1 << 16), "stream=65536 is no number"),
        (lambda: Packetiser(1).cut(0, []), "a frame of 0 bytes"),
        (lambda: Packetiser(1).cut(0, [bytes(LONGEST_FRAME + 1)]), "a frame of 1048577 bytes"),
    ],
)
def test_what_cannot_be_sent_is_refused(use, message):
    """Sizes are named."""
    with pytest.raises(ValueError, match=message):
        use()
