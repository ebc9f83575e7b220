"""Copies and parity: what may be lost without a packet missing, and what is left where more is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck.lossy.protection import Bare, ReedSolomon, Repeated

quick = settings(deadline=None, max_examples=30, derandomize=True, database=None)
packets = st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=6, unique=True)


@pytest.mark.parametrize("protection", [Bare(), Repeated(2), ReedSolomon(0.5), ReedSolomon(1)])
@quick
@given(packets=packets, data=st.data())
def test_what_arrives_is_right(protection, packets, data):
    """Of whatever arrives, only packets that were sent are made, and all of them where nothing is lost."""
    sent = protection.protect(packets)
    arrived = data.draw(st.permutations(sent))[: data.draw(st.integers(0, len(sent)))]
    recovered = protection.recover(arrived)
    assert set(recovered) <= set(packets)
    if len(arrived) == len(sent):
        assert set(recovered) == set(packets)


@quick
@given(packets=packets, data=st.data())
def test_parity_makes_up_for_as_many_losses(packets, data):
    """Any as many as there are packets are enough, whichever they are."""
    protection = ReedSolomon(0.5)
    sent = protection.protect(packets)
    assert len(sent) == len(packets) + -(-len(packets) // 2)
    arrived = data.draw(st.permutations(sent))[: len(packets)]
    assert sorted(protection.recover(arrived)) == sorted(packets)


@quick
@given(arrived=st.lists(st.binary(max_size=9), max_size=5))
def test_foreign_bytes_are_packets_or_refused(arrived):
    """Whatever arrives, it is a list of bytes or a ValueError."""
    try:
        found = ReedSolomon(0.5).recover(arrived)
    except ValueError:
        return
    assert all(isinstance(packet, bytes) for packet in found)


def test_copies_are_a_round_apart():
    """A burst as long as the packets leaves one copy of each."""
    assert Repeated(2).protect([b"a", b"b"]) == [b"a", b"b", b"a", b"b"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Repeated(0), "times=0"),
        (lambda: ReedSolomon(0), "share=0"),
        (lambda: ReedSolomon(1).protect([bytes(65536)]), "a packet of 65536 bytes is too long for parity"),
        (lambda: ReedSolomon(1).protect([b"a"] * 200), "200 packets and 200 of parity are more than 255"),
    ],
)
def test_impossible_protection_is_refused(make, message):
    """What cannot be is named."""
    with pytest.raises(ValueError, match=message):
        make()
