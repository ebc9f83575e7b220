"""Packets of every kind of codec: any of them, in any order, are symbols and a mask."""

import itertools
import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck import codecs
from bottleneck.codecs.packets.framing import Packet, pack
from bottleneck.codecs.packets.segments import CUTS, Segments
from bottleneck.codecs.packets.stage import in_packets, packed

quick = settings(deadline=None, max_examples=15, derandomize=True, database=None)
SHAPE = (8, 6, 5)
KINDS = [
    ("range", "channels", {}),
    ("range", "tiles", {}),
    ("range", "elements", {}),
    ("huffman", "elements", {}),
    ("rle", "channels", {"bits": 4}),
    ("quantised", "tiles", {"levels": 7, "per": "channel"}),
    ("quantised", "elements", {"levels": 7, "per": "neuron"}),
    ("tiled", "channels", {"image": "png", "levels": 16}),
    ("tiled", "channels", {"image": "jpeg", "order": "similar"}),
]
each_kind = pytest.mark.parametrize(("of", "by", "options"), KINDS)


def samples(kind, n=6, seed=0):
    values = np.maximum(
        np.random.default_rng(seed).normal(size=(n, *SHAPE)) * np.arange(1, 9)[:, None, None], 0
    )
    return values.astype(np.int32 if kind == "symbols" else np.float32)


def fitted(of, by, options, mtu=40):
    mtu = 900 if of == "tiled" else mtu
    codec = codecs.create("packets", SHAPE, codec=of, by=by, mtu=mtu, **options)
    return codec.fit(samples(codec.input))


@each_kind
def test_packets_keep_to_the_mtu_and_say_it_all(of, by, options):
    """All packets together are the sample; each keeps to its size; there is more than one."""
    codec = fitted(of, by, options)
    array = samples(codec.input, 1, seed=1)[0]
    packets = codec.coder.packets(array)
    assert len(packets) > 1 or of == "tiled"
    assert max(map(len, packets)) <= codec.coder.mtu
    assert codec.encode(array) == b"".join(packets)
    whole = codec.coder.receive(packets)
    assert whole.mask.all()
    assert np.array_equal(whole.array, codec.decode(codec.encode(array)))
    if codec.input == "symbols":
        assert np.array_equal(whole.array, array)


@each_kind
@quick
@given(data=st.data())
def test_any_packets_in_any_order(of, by, options, data):
    """What arrives is right, what does not is zero and marked; order, repeats and damage change nothing."""
    codec = fitted(of, by, options)
    array = samples(codec.input, 1, seed=data.draw(st.integers(0, 3)))[0]
    packets = codec.coder.packets(array)
    arriving = data.draw(st.lists(st.sampled_from(range(len(packets)))))
    joined = data.draw(st.integers(0, len(arriving)))  # some in one run, which breaks off
    run = b"".join(packets[i] for i in arriving[:joined]) + packets[0][:-1]
    found = codec.coder.receive([run, *(packets[i] for i in arriving[joined:]), b"", b"foreign"])
    expected = np.zeros(SHAPE, bool)
    for i in set(arriving):
        expected |= codec.coder.receive([packets[i]]).mask
    assert np.array_equal(found.mask, expected)
    decoded = codec.decode(codec.encode(array))
    assert np.array_equal(found.array, np.where(found.mask, decoded, 0))
    assert found.mask.all() == (len(set(arriving)) == len(packets))


@each_kind
@quick
@given(data=st.data())
def test_beginnings_and_foreign_bytes(of, by, options, data):
    """A beginning is an array or refused, as any bytes are, and well-made packets with foreign bodies."""
    codec = fitted(of, by, options)
    payload = codec.encode(samples(codec.input, 1)[0])
    body, number = data.draw(st.binary(max_size=30)), data.draw(st.integers(1, 2**28 - 1))
    for other in (
        payload[: data.draw(st.integers(0, len(payload)))],
        data.draw(st.binary(max_size=60)),
        pack(Packet(number, body)),
        pack(Packet(1 + number % 16, body)),
    ):
        try:
            array = codec.decode(other)
        except ValueError:
            continue
        assert (array.shape, array.dtype) == (SHAPE, samples(codec.input, 1).dtype)


def test_packets_smaller_than_any_sample_needs_are_refused():
    """A payload forged of a packet for each element would keep a receiver busy for seconds."""
    codec = codecs.create("packets", (64, 16, 16), by="elements").fit([np.zeros((64, 16, 16), np.int32)])
    body = codec.coder.whole.part(np.arange(1)).encode(np.zeros(1, np.int32))
    forged = b"".join(pack(Packet(number, body)) for number in range(1 << 14, 1 << 15))
    begin = time.process_time()
    with pytest.raises(ValueError, match=r"packet is of segment 16384, .* no packet of this codec"):
        codec.decode(forged)
    assert time.process_time() - begin < 1


def test_a_picture_has_no_packet_for_each_of_its_pixels():
    """Nor does a payload forged of that many keep a receiver busy; 131,071 tiles took half a minute."""
    codec = codecs.create("packets", (3, 64, 64), codec="png", by="tiles").fit([])
    pixel = codec.coder.whole.part(np.arange(3).reshape(3, 1, 1)).encode(np.zeros((3, 1, 1), np.uint8))
    forged = b"".join(pack(Packet(number, pixel)) for number in range(1 << 12, 1 << 13))
    begin = time.process_time()
    with pytest.raises(ValueError, match=r"more than the 145 packets of 1200 bytes .* none of this codec"):
        codec.decode(forged)
    assert time.process_time() - begin < 1
    assert len(codec.coder.packets(np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8))) == 16


def test_more_packets_than_are_taken_are_not_sent(monkeypatch):
    """Who sends keeps to what a receiver takes, and the message says what to change."""
    codec = fitted("range", "channels", {})
    monkeypatch.setattr(codec.coder, "_most", 1)
    with pytest.raises(ValueError, match=r"mtu=40 is too little: .* \d+ packets, and no more than 1 are"):
        codec.encode(samples("symbols", 1)[0])


@pytest.mark.parametrize("by", CUTS)
@pytest.mark.parametrize("shape", [(3, 5, 7), (16, 1, 1), (5, 4, 9)])
def test_no_segment_is_larger_than_the_first_of_as_many_halvings(by, shape):
    """So the first tells how far a sample of a shape is ever cut."""
    segments = Segments(shape, by)
    level = [1]
    while level := [half for number in level for half in segments.halves(number)]:
        sizes = [segments.places(number).size for number in level]
        assert segments.places(1 << (level[0].bit_length() - 1)).size == max(sizes)


def test_beginnings_that_end_with_a_packet_decode():
    """Channels arrive from the first on: each further packet adds some and changes none."""
    codec = fitted("range", "channels", {})
    array = samples("symbols", 1)[0]
    packets = codec.coder.packets(array)
    ends = np.cumsum([len(packet) for packet in packets])
    arrived = [np.flatnonzero(codec.decode(codec.encode(array)[:end]).any((1, 2))) for end in ends]
    for first, second in itertools.pairwise(arrived):
        assert len(first) < len(second)
        assert second[: len(first)].tolist() == first.tolist()
    assert np.array_equal(codec.decode(codec.encode(array)), array)


def test_cost_is_a_few_bytes_a_packet():
    """Tables are shared, so range-coded segments cost their headers and the ends of their bit streams."""
    codec = fitted("range", "channels", {}, mtu=60)
    array = samples("symbols", 1, seed=3)[0]
    packets = codec.coder.packets(array)
    added = sum(map(len, packets)) - len(codec.coder.whole.encode(array))
    assert 4 * len(packets) - 1 <= added <= 6 * len(packets)


def test_description_and_tables_travel():
    """Through JSON, and from a codec that was fitted without packets."""
    codec = fitted("range", "channels", {})
    copy = codecs.from_dict(json.loads(json.dumps(codec.to_dict())))
    array = samples("symbols", 1, seed=2)[0]
    assert copy.encode(array) == codec.encode(array)
    taken = in_packets(codec.coder.whole, "channels", 40)
    assert taken.encode(array) == codec.encode(array)
    assert in_packets(taken, "tiles", 50) is taken


@pytest.mark.parametrize("by", CUTS)
def test_tables_are_cut_as_samples_are(by):
    """A channel's table follows its elements into every segment: what is certain costs nothing anywhere."""
    rows = [[2**24 - 8 if symbol == channel else 1 for symbol in range(9)] for channel in range(8)]
    whole = codecs.create("range", SHAPE).with_tables({"low": 0, "frequencies": rows}, range(8))
    array = np.broadcast_to(np.arange(8, dtype=np.int32)[:, None, None], SHAPE).reshape(-1)
    for number in (2, 3, 5, 14):
        places = Segments(SHAPE, by).places(number)
        assert whole.part(places).encode(array[places]) == b"\0"


@pytest.mark.parametrize("by", CUTS)
@pytest.mark.parametrize("per", ["layer", "channel", "neuron"])
def test_fitted_ranges_are_cut_as_samples_are(by, per):
    """Where nothing is said of each sample, packets decode to what the whole payload does."""
    codec = fitted("quantised", by, {"levels": 7, "per": per})
    array, whole = samples("feature", 1, seed=4)[0], codec.coder.whole
    assert np.array_equal(codec.decode(codec.encode(array)), whole.decode(whole.encode(array)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mtu": 10}, "mtu=10 leaves no room behind a packet's header of up to 10 bytes"),
        ({"mtu": 0}, "mtu=0 is not an integer"),
        ({"by": "rows"}, "by='rows' is not possible"),
        ({"codec": "tiled", "by": "elements"}, "stage 'tile' takes features of shape"),
        ({"codec": "nothing"}, "codec='nothing' is unknown"),
        *(
            ({"codec": name}, f"codec '{name}' codes whole samples only.*Use codec 'range' in packets")
            for name in ("context", "packets", "parts", "stream")
        ),
        ({"bits": 3}, "codec 'range'.*'bits'"),
    ],
)
def test_impossible_options_are_refused(options, message):
    """A slip is noticed when the codec is made."""
    with pytest.raises(ValueError, match=message):
        codecs.create("packets", SHAPE, **options)


def test_what_cannot_be_cut_further_is_refused():
    """A channel that is larger than a packet is no payload, and the message says by how much."""
    codec = codecs.create("packets", (2, 40, 40), codec="rle", mtu=100)
    with pytest.raises(
        ValueError, match=r"mtu=100 is too little: a segment of shape \(1, 40, 40\).* by='elements'"
    ):
        codec.encode(np.random.default_rng(0).normal(size=(2, 40, 40)))


def test_what_is_of_no_use_in_part_stays_one_piece():
    """Codecs that need a whole sample are not cut, and refused by name where they have to be; others are."""
    samples = [np.full(24, value, np.int32) for value in range(3)]
    maps = [sample.reshape(6, 2, 2) for sample in samples]
    plain = codecs.create("range", (6, 2, 2)).fit(maps)
    whole = [
        codecs.for_parts([(2, 2, 2), (4, 2, 2)], "range").fit(samples),
        codecs.create("context", (6, 2, 2), groups=2, width=2).fit(maps),
        codecs.create("stream", (6, 2, 2)).fit(maps),
    ]
    for codec in whole:
        assert packed(codec, "channels", 100) is codec
        with pytest.raises(ValueError, match=f"codec '{codec.name}' codes whole samples only"):
            in_packets(codec, "channels", 100)
    assert packed(plain, "channels", 100).name == "packets"
