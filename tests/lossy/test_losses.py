"""What a loss takes away: elements, channels, or what was in the packet."""

import numpy as np
import pytest

from bottleneck import codecs
from bottleneck.lossy.losses import Channels, Elements, Packets
from bottleneck.lossy.processes import Independent, Trace
from bottleneck.lossy.protection import ReedSolomon

SHAPE = (8, 4, 4)
ARRAY = np.arange(1, 129, dtype=np.int32).reshape(SHAPE)


@pytest.fixture(scope="module")
def plain():
    return codecs.create("range", SHAPE).fit([ARRAY])


@pytest.fixture(scope="module")
def packets():
    return codecs.create("packets", SHAPE, codec="range", mtu=40).fit([ARRAY])


def test_elements(plain):
    """As many elements are missing as were drawn, and the bytes are those of the whole payload."""
    (array, mask), n_bytes, n_packets = Elements(Trace([True, False, False, False])).send(plain, ARRAY)
    assert mask.sum() == 96
    assert np.array_equal(array, np.where(mask, ARRAY, 0))
    assert (n_bytes, n_packets) == (len(plain.encode(ARRAY)), 1)


def test_channels(plain):
    """A channel is missing as a whole."""
    (array, mask), _, _ = Channels(Trace([False, True])).send(plain, ARRAY)
    assert mask.all((1, 2)).tolist() == [True, False] * 4
    assert mask.any((1, 2)).tolist() == [True, False] * 4
    assert np.array_equal(array, np.where(mask, ARRAY, 0))


def test_packets(packets):
    """Without the first packet everything but its channels is there."""
    n = len(packets.coder.packets(ARRAY))
    (array, mask), n_bytes, n_packets = Packets(Trace([True] + [False] * (n - 1))).send(packets, ARRAY)
    assert n > 2
    assert 0 < mask.all((1, 2)).sum() < 8
    assert np.array_equal(array, np.where(mask, ARRAY, 0))
    assert (n_bytes, n_packets) == (len(packets.encode(ARRAY)), n)


def test_parity_is_counted_and_used(packets):
    """With half as many parity packets, a third of what is sent may be lost."""
    n = len(packets.coder.packets(ARRAY))
    losses = Packets(Trace([True, *[False] * (n - 1)]), ReedSolomon(0.5))
    (array, mask), n_bytes, n_packets = losses.send(packets, ARRAY)
    assert mask.all()
    assert np.array_equal(array, ARRAY)
    assert n_packets == n + -(-n // 2)
    assert n_bytes > 1.5 * len(packets.encode(ARRAY))


def test_a_payload_without_packets_is_one(plain):
    """It arrives as a whole or not at all."""
    losses = Packets(Trace([True, False]))
    gone, whole = losses.send(plain, ARRAY), losses.send(plain, ARRAY)
    assert not gone.partial.mask.any()
    assert not gone.partial.array.any()
    assert whole.partial.mask.all()
    assert np.array_equal(whole.partial.array, ARRAY)


@pytest.mark.parametrize("losses", [Elements, Channels, Packets])
def test_all_or_nothing(losses, packets):
    """At the ends of the scale everything arrives, and nothing."""
    assert losses(Independent(0)).send(packets, ARRAY).partial.mask.all()
    assert not losses(Independent(1)).send(packets, ARRAY).partial.mask.any()
