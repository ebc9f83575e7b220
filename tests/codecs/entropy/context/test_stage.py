"""The context coder: fewer bytes where channels know of each other, the same symbols, on any machine."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from bottleneck import codecs
from bottleneck.codecs.entropy.context.predictor import Weights
from bottleneck.codecs.entropy.context.stage import _thinned

SHAPE = (6, 5, 4)


def samples(n, seed=0):
    """Three channels of noise, and three that are these moved by a place and a little noise."""
    rng = np.random.default_rng(seed)
    first = np.rint(rng.normal(0, 3, (n, 3, 5, 4)))
    second = np.roll(first, 1, axis=2) + np.rint(rng.normal(0, 0.4, first.shape))
    return np.concatenate([second, first], axis=1).astype(np.int32)


@pytest.fixture(scope="module")
def fitted():
    return codecs.create("context", SHAPE, groups=3, width=16).fit(samples(2000))


@pytest.mark.slow
def test_work_that_expecting_takes_is_told(fitted):
    """Each weight is multiplied once at each position; parts add up, and tables alone multiply nothing."""
    weights = fitted.coder._weights
    assert fitted.macs == (weights.known.size + weights.told.size) * 5 * 4
    assert codecs.for_parts([SHAPE, SHAPE], "context", groups=3, width=16).macs == 2 * fitted.macs
    assert codecs.create("context", SHAPE, groups=1).macs == codecs.create("range", SHAPE).macs == 0


@pytest.fixture(scope="module")
def made():
    """A codec whose weights and tables are whole numbers made up here, so no training is between."""
    rng = np.random.default_rng(1)
    weights = Weights(
        order=np.array([3, 0, 5, 1, 4, 2]),
        groups=3,
        shift=1,
        known=rng.integers(-900, 900, (7, 4, 2, 3, 3)).astype(np.int16),
        bias=rng.integers(-2000, 2000, (2, 7)),
        told=rng.integers(-100, 100, (2, 4, 7)).astype(np.int16),
        base=rng.integers(-70000, 70000, (2, 6)),
    )
    shares = rng.integers(1, 1000, (6 * 8, 22)).astype(np.float64)
    rows = np.floor(shares / shares.sum(1, keepdims=True) * (2**24 - 30)).astype(int)
    rows[:, 10] += 2**24 - rows.sum(1)
    description = codecs.create("context", SHAPE, groups=3, width=7).to_dict()
    tables = {"weights": weights.to_dict(), "narrowest": -3, "low": -10, "frequencies": rows.tolist()}
    return description | {"tables": tables}


@pytest.mark.slow
def test_what_channels_tell_of_each_other_is_not_sent(fitted):
    """A channel that follows from another but for a little noise costs that noise."""
    alone = codecs.create("range", SHAPE).fit(samples(2000))
    unseen = samples(50, seed=1)
    mine, theirs = (sum(len(codec.encode(x)) for x in unseen) for codec in (fitted, alone))
    assert mine < 0.75 * theirs


def test_real_bytes_are_the_ideal_ones(fitted):
    """No payload is longer than its ideal bits rounded up to bytes, and on average it is about that long."""
    ideal = np.array([fitted.ideal_bits(sample) / 8 for sample in samples(50, seed=2)])
    real = np.array([len(fitted.encode(sample)) for sample in samples(50, seed=2)])
    assert (real <= np.ceil(ideal)).all()
    assert abs(real - ideal).mean() < 1


def test_bytes_are_the_same_on_every_machine(made):
    """Weights and tables in whole numbers give these very bytes."""
    codec = codecs.from_dict(made)
    payloads = [codec.encode(sample) for sample in samples(20)]
    assert (
        hashlib.sha256(b"".join(payloads)).hexdigest()
        == "602e6267bd7f65ee96c5ee69ba599f12fadea057bd4e6b0dff387cebcd13bd35"
    )
    for sample, payload in zip(samples(20), payloads, strict=True):
        np.testing.assert_array_equal(codec.decode(payload), sample)


def test_coding_takes_numpy_alone(made):
    """A device without PyTorch codes."""
    code = (
        "import json, sys; from bottleneck import codecs; codec = codecs.from_dict(json.load(sys.stdin)); "
        "import numpy as np; x = np.ones(codec.shape, np.int32); "
        "assert (codec.decode(codec.encode(x)) == x).all(); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(made), capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr


def test_one_group_has_nobody_to_ask():
    """It is coded as its channels are by themselves, and survives JSON."""
    codec = codecs.create("context", SHAPE, groups=1).fit(samples(50))
    sample = samples(1)[0]
    copy = codecs.from_dict(json.loads(json.dumps(codec.to_dict())))
    np.testing.assert_array_equal(copy.decode(codec.encode(sample)), sample)


def test_any_int32_is_coded(fitted):
    """Symbols far from all that was seen are an escape, also where their distance to a mean passes 2^31."""
    sample = samples(1)[0]
    sample[:, 0, 0] = -(2**31), 2**31 - 1, 10**9, -(10**9), 101, -101
    np.testing.assert_array_equal(fitted.decode(fitted.encode(sample)), sample)


def test_another_plane_is_coded_with_the_same_weights(fitted):
    """Weights are of channels, so they serve a larger image."""
    larger = fitted.reshaped((6, 9, 8))
    sample = np.tile(samples(1)[0], (1, 2, 2))[:, :9]
    np.testing.assert_array_equal(larger.decode(larger.encode(sample)), sample)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("order", [0, 1, 2, 3, 4, 4]),
        ("order", "abc"),
        ("groups", 0),
        ("groups", 7),
        ("groups", 2.5),
        ("shift", 17),
        ("base", [[-(2**63)] * 6] * 2),
        ("bias", [[1, 2], [3]]),
        ("bias", [[2**50] * 7] * 2),
        ("known", "AAAA"),
        ("known", "not base64"),
        ("told", ""),
        ("base", [[0.5] * 6] * 2),
    ],
)
def test_damaged_weights_are_refused(made, key, value):
    """No part of a description is believed that cannot be right."""
    tables = json.loads(json.dumps(made["tables"]))
    tables["weights"][key] = value
    with pytest.raises(ValueError, match="not the weights of a context"):
        codecs.from_dict(made | {"tables": tables})


@pytest.mark.parametrize(
    ("key", "value"),
    [("narrowest", 1.5), ("narrowest", 2**30), ("weights", 3), ("frequencies", [[1, 2**24 - 1]])],
)
def test_damaged_tables_are_refused(made, key, value):
    """So are tables that do not fit the weights."""
    tables = json.loads(json.dumps(made["tables"]))
    tables[key] = value
    with pytest.raises(ValueError, match=r"context|parts of a mean"):
        codecs.from_dict(made | {"tables": tables})


def test_thinning_is_even():
    """Of more samples than are kept, every second, fourth, ... stays."""
    kept = _thinned((np.array(i) for i in range(100)), 20)
    assert [int(x) for x in kept] == list(range(0, 100, 8))


def test_one_wild_sample_leaves_room_for_tables():
    """However far scales are apart, each has a table with symbols on both sides of its mean."""
    wild = np.concatenate([0 * samples(40), samples(1) * 10**8])
    codec = codecs.create("context", SHAPE, groups=3, width=4).fit(wild)
    low = codec.to_dict()["tables"]["low"]
    assert low <= -40
    for sample in wild[-2:]:
        np.testing.assert_array_equal(codec.decode(codec.encode(sample)), sample)
