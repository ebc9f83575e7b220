"""Streams: both sides agree to the bit, whatever happens to frames; sizes, budgets and damaged bytes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottleneck import codecs
from bottleneck.codecs.streams.stream import LostReferenceError

quick = settings(deadline=None, max_examples=12, derandomize=True, database=None)

SHAPE = (5, 6, 7)
OPTIONS = [
    {},
    {"contexts": 1},
    {"motion": 1},
    {"motion": 1, "block": 3, "tolerance": 1},
    {"max_bytes": 40},
    {"max_bytes": 2},
    {"key_every": 1},
]
each_option = pytest.mark.parametrize("options", OPTIONS, ids=str)


def frames(n, shape=SHAPE, seed=0):
    """A camera at rest: a background, a thing that crosses it, and a little noise."""
    rng = np.random.default_rng(seed)
    background = rng.integers(-4, 5, shape)
    for number in range(n):
        frame = background + (rng.random(shape) < 0.03)
        if len(shape) == 3:
            frame[:, 1:3, number % shape[2]] += 6
        yield frame.astype(np.int32)


def fitted(shape=SHAPE, **options):
    return codecs.create("stream", shape, **options).fit(frames(20, shape, seed=1))


def sessions(codec):
    """A device's side and a server's, which share nothing but the description."""
    description = json.loads(json.dumps(codec.to_dict()))
    return codecs.from_dict(description).session(), codecs.from_dict(description).session()


# Agreement -------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[3], OPTIONS[4]], ids=str)
def test_no_drift(options):
    """Over 300 frames the receiver has what the sender predicts from, bit for bit."""
    sender, receiver = sessions(fitted(**{"key_every": 64, **options}))
    exact = not {"tolerance", "max_bytes"} & set(options)
    for frame in frames(300):
        decoded = receiver.decode(sender.encode(frame))
        assert np.array_equal(decoded, sender.coder._sent.symbols)
        assert np.array_equal(decoded, frame) or not exact
        assert np.abs(decoded - frame).max() <= options.get("tolerance", 0) or "max_bytes" in options


@quick
@given(start=st.integers(0, 11), options=st.sampled_from(OPTIONS))
def test_any_key_frame_starts_a_stream(start, options):
    """Who joins late is refused until the next key frame, and then knows all the sender knows."""
    sender, late = sessions(fitted(**{"key_every": 4, **options}))
    every = options.get("key_every", 4)
    for number, frame in enumerate(frames(16)):
        payload = sender.encode(frame)
        if number < start:
            continue
        if number < -(-start // every) * every:
            with pytest.raises(LostReferenceError, match="key frame"):
                late.decode(payload)
        else:
            assert np.array_equal(late.decode(payload), sender.coder._sent.symbols)


def test_lost_frame_is_refused_until_asked():
    """Without a frame, all that follow are refused; a key frame on request mends the stream."""
    sender, receiver = sessions(fitted(key_every=1000))
    stream = frames(9)
    receiver.decode(sender.encode(next(stream)))
    sender.encode(next(stream))
    for _ in range(3):
        with pytest.raises(LostReferenceError):
            receiver.decode(sender.encode(next(stream)))
    sender.refresh()
    for frame in stream:
        assert np.array_equal(receiver.decode(sender.encode(frame)), frame)


def test_repeated_frames_are_refused():
    """A duplicate that says anything new is no next frame."""
    sender, receiver = sessions(fitted())
    payloads = [sender.encode(frame) for frame in frames(3)]
    for payload in payloads:
        receiver.decode(payload)
    with pytest.raises(LostReferenceError):
        receiver.decode(payloads[1])


def test_sessions_are_separate():
    """A session leaves the codec and other sessions alone; without one, every sample stands for itself."""
    codec = fitted()
    first, second = codec.session(), codec.session()
    one, two = frames(2)
    assert first.encode(one) == second.encode(one) == codec.encode(one)
    assert first.encode(two) != second.encode(one) != codec.encode(two)
    assert np.array_equal(codec.decode(codec.encode(two)), two)
    assert codecs.create("range", SHAPE).fit([one]).session().refresh() is None


# Sizes -----------------------------------------------------------------------------------------


def mean_bytes(codec, seed=0):
    sender = codec.session()
    return float(np.mean([len(sender.encode(frame)) for frame in frames(60, seed=seed)]))


def test_resting_camera_takes_a_fraction():
    """Updates take less than a third of key frames, and tables given the prediction do not take more."""
    plain, every = mean_bytes(fitted(contexts=1)), mean_bytes(fitted(key_every=1))
    assert plain < every / 3
    assert mean_bytes(fitted(contexts=9)) < 1.02 * plain
    assert mean_bytes(fitted(tolerance=1)) < 0.7 * plain


def moving(n, motion):
    rng = np.random.default_rng(2)
    wide = rng.integers(-9, 10, (5, 16, 200)).astype(np.int32)
    codec = codecs.create("stream", (5, 16, 16), motion=motion)
    codec.fit(wide[:, :, start : start + 16] for start in range(n))
    sender = codec.session()
    return float(np.mean([len(sender.encode(wide[:, :, 60 + s : 76 + s])) for s in range(n)]))


def test_motion_saves_what_moves():
    """Where everything moves by a cell per frame, vectors take away most of what differences would take."""
    assert moving(20, motion=2) < moving(20, motion=0) / 2


@pytest.mark.parametrize("budget", [2, 3, 20, 60, 10_000])
def test_budget_is_kept_and_used(budget):
    """No payload is longer than its budget, key frames included; a picture at rest becomes exact in time."""
    sender, receiver = sessions(fitted(max_bytes=budget, key_every=50))
    (frame,) = frames(1)
    errors = []
    for _ in range(50):
        payload = sender.encode(frame)
        assert len(payload) <= budget
        errors.append(np.abs(receiver.decode(payload) - frame).sum())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == 0 or budget < 20


def test_still_pictures_fit_tables_for_a_stream():
    """Tables of unrelated samples code a resting camera in less than half of what key frames take."""
    rng = np.random.default_rng(3)
    codec = codecs.create("stream", SHAPE).fit(rng.integers(-4, 5, (30, *SHAPE)))
    assert mean_bytes(codec) < mean_bytes(fitted(key_every=1)) / 2


# Any symbols, any bytes ------------------------------------------------------------------------


@each_option
@quick
@given(data=st.data())
def test_any_symbols_survive(options, data):
    """All of int32, in maps, rows, single cells and nothing, comes back as the sender has it."""
    shape = data.draw(st.lists(st.integers(0, 4), max_size=4).map(tuple))
    codec = codecs.create("stream", shape, **options)
    sender, receiver = sessions(codec.fit([np.zeros(shape, np.int32)]))
    values = st.one_of(st.integers(-3, 3), st.sampled_from([-(2**31), 2**31 - 1]))
    for _ in range(4):
        drawn = data.draw(st.lists(values, min_size=codec.n_values, max_size=codec.n_values))
        frame = np.array(drawn, np.int32).reshape(shape)
        decoded = receiver.decode(sender.encode(frame))
        assert np.array_equal(decoded.reshape(-1), sender.coder._sent.symbols.reshape(-1))
        assert np.array_equal(decoded, frame) or "tolerance" in options or "max_bytes" in options


@pytest.mark.sampled(3)
@each_option
@quick
@given(data=st.data())
def test_damaged_frames_are_refused_or_legal(options, data):
    """Any bytes in a running stream give a ValueError and leave its state, or an array of the right form."""
    sender, receiver = sessions(fitted(**options))
    stream = frames(3)
    receiver.decode(sender.encode(next(stream)))
    payload = bytearray(sender.encode(next(stream)))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(payload[: data.draw(st.integers(0, len(payload)))]) + data.draw(st.binary(max_size=5))
    before = receiver.coder._received
    try:
        decoded = receiver.decode(damaged)
    except ValueError:
        assert receiver.coder._received is before
    else:
        assert (decoded.shape, decoded.dtype) == (SHAPE, np.int32)


def test_levels_of_a_feature_stay_levels():
    """A stream of quantised features gives the values that its quantizer alone would give."""
    rng = np.random.default_rng(0)
    still = rng.normal(size=SHAPE).astype(np.float32)
    features = [still + 0.02 * rng.normal(size=SHAPE).astype(np.float32) for _ in range(30)]
    levels = {"name": "mid-point", "levels": 16, "per": "channel"}
    codec = codecs.create("pipeline", SHAPE, stages=[levels, {"name": "stream"}]).fit(features[:10])
    alone = codecs.create("pipeline", SHAPE, stages=[levels, {"name": "pack"}]).fit(features[:10])
    sender, receiver = sessions(codec)
    for feature in features:
        assert np.array_equal(receiver.decode(sender.encode(feature)), alone.decode(alone.encode(feature)))


# Mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key_every": 0}, "key_every=0"),
        ({"max_bytes": 1}, "header of 2 bytes"),
        ({"motion": -1}, "motion=-1"),
        ({"contexts": 0}, "contexts=0"),
        ({"block": 0}, "block=0"),
        ({"tolerance": 0.5}, "tolerance=0.5"),
    ],
)
def test_impossible_options_are_refused(options, message):
    """Each option out of range is named with its value."""
    with pytest.raises(ValueError, match=message):
        codecs.create("stream", SHAPE, **options)


def test_frames_of_another_size_are_refused():
    """A session has one shape, and says so."""
    session = fitted().session()
    with pytest.raises(ValueError, match=r"shape \(5, 6, 7\)"):
        session.encode(np.zeros((5, 6, 8), np.int32))
    with pytest.raises(ValueError, match="another session"):
        session.reshaped((5, 6, 8))


def test_tables_of_another_stream_are_refused():
    """A description whose tables do not fit its options is no description."""
    description = fitted().to_dict()
    description["options"] = {**description["options"], "contexts": 3}
    with pytest.raises(ValueError, match="rows"):
        codecs.from_dict(description)
    with pytest.raises(RuntimeError, match="no table yet"):
        codecs.create("stream", SHAPE).session().encode(np.zeros(SHAPE, np.int32))
