"""A packet's bytes: what they say, and that damage is noticed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck.codecs.packets.framing import LONGEST_HEADER, Packet, each, pack, unpack

quick = settings(deadline=None, max_examples=50, derandomize=True, database=None)
packets = st.builds(Packet, st.integers(1, 2**28 - 1), st.binary(max_size=300))


def test_golden_bytes():
    """Segment, length, checksum, body."""
    assert pack(Packet(5, b"abc")).hex() == "0503" + "3451" + "616263"
    assert pack(Packet(300, b"")).hex() == "ac0200" + "6203"


@quick
@given(st.lists(packets, max_size=5))
def test_joined_packets_come_apart_again(sent):
    """A payload is its packets, whatever they carry, and each says what went into it."""
    written = [pack(packet) for packet in sent]
    assert list(each(b"".join(written))) == written
    assert [unpack(packet) for packet in written] == sent
    headers = [len(data) - len(packet.body) for data, packet in zip(written, sent, strict=True)]
    assert all(4 <= header <= LONGEST_HEADER for header in headers)


@quick
@given(packets, st.data())
def test_one_changed_byte_is_noticed(packet, data):
    """No single byte of a packet can change unnoticed."""
    written = bytearray(pack(packet))
    written[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="damaged"):
        unpack(bytes(written))


@quick
@given(st.lists(packets, min_size=1, max_size=3), st.data())
def test_a_payload_cut_within_a_packet_is_refused(sent, data):
    """Only beginnings that end with a packet are payloads."""
    written = [pack(packet) for packet in sent]
    payload = b"".join(written)
    end = data.draw(st.integers(0, len(payload)))
    ends = [sum(map(len, written[:n])) for n in range(len(written) + 1)]
    if end in ends:
        assert list(each(payload[:end])) == written[: ends.index(end)]
    else:
        with pytest.raises(ValueError, match="truncated or damaged"):
            list(each(payload[:end]))
