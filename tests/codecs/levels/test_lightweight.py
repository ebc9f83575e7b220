"""The codec of few levels: what fit sets, what decode returns, its size, its options."""

import json
import math

import numpy as np
import pytest

from bottleneck import codecs

SHAPE = (8, 10, 10)


def relu(n=20, seed=0):
    """Features of a ReLU whose channels differ."""
    rng = np.random.default_rng(seed)
    offset = np.random.default_rng(9).normal(-1, 2, (8, 1, 1))
    return np.maximum(rng.laplace(offset, 1.5, (n, *SHAPE)), 0).astype(np.float32)


def signed(n=20, seed=0):
    return np.random.default_rng(seed).laplace(0.1, 2, (n, *SHAPE)).astype(np.float32)


def fitted(arrays=None, **options):
    return codecs.create("lightweight", SHAPE, **options).fit(relu() if arrays is None else arrays)


@pytest.mark.parametrize("arrays", [relu, signed])
@pytest.mark.parametrize("quantizer", ["uniform", "ecq", "ecq-unpinned"])
@pytest.mark.parametrize("levels", [2, 3, 5, 256])
def test_decode_returns_the_level_of_each_value(arrays, quantizer, levels):
    """What comes back is the quantizer's level of each value, however far out the value is."""
    codec = fitted(arrays(), levels=levels, quantizer=quantizer)
    x = arrays(1, seed=5)[0]
    x[0, 0, :2] = 1e30, -1e30
    received = codec.decode(codec.encode(x))
    quantized = codec.coder.scalar_quantizer
    expected = quantized.levels[np.searchsorted(quantized.thresholds, x, side="right")]
    assert np.array_equal(received, expected)
    assert np.array_equal(received.reshape(-1)[:2], quantized.levels[[-1, 0]])
    assert np.unique(received).size <= levels


def test_uniform_error_is_half_a_step_inside_the_range():
    """Between the ends of the range no value moves by more than half the distance of two levels."""
    codec = fitted(levels=9, clipping="minmax")
    x = relu(1)[0]
    step = float(codec.coder.scalar_quantizer.levels[1])
    assert np.abs(codec.decode(codec.encode(x)) - x).max() <= step / 2 * (1 + 1e-5)


def test_range_follows_the_activation():
    """Features without negative values are clipped at 0 and signed ones on both sides; `low` decides else."""
    assert fitted(levels=2).coder.scalar_quantizer.levels[0] == 0
    assert fitted(levels=2, low="free").coder.scalar_quantizer.levels[0] > 0.1
    assert fitted(signed(), levels=2).coder.scalar_quantizer.levels[0] < -1
    assert fitted(signed(), levels=2, low="zero").coder.scalar_quantizer.levels[0] == 0
    leaky = np.where(relu() > 0, relu(), 0.1 * signed()).astype(np.float32)
    assert fitted(leaky, levels=4, slope=0.1).coder.scalar_quantizer.levels[0] == 0


def test_more_levels_are_less_error_and_more_bytes():
    """Along N, error falls and payloads grow; at equal N the ecq has less error or fewer bytes."""
    x = relu(8, seed=3)

    def measured(**options):
        codec = fitted(**options)
        payloads = [codec.encode(sample) for sample in x]
        received = np.stack([codec.decode(payload) for payload in payloads])
        return ((received - x) ** 2).mean(), np.mean([len(payload) for payload in payloads])

    error, size = zip(*(measured(levels=n) for n in (2, 3, 4, 8, 16)), strict=True)
    assert (np.diff(error) < 0).all()
    assert (np.diff(size) > 0).all()
    at_no_price = measured(levels=4, quantizer="ecq", lagrangian=0)
    priced = measured(levels=4, quantizer="ecq", lagrangian=0.3)
    assert at_no_price[0] < error[2]
    assert priced[1] < 0.9 * size[2]


def test_payload_is_within_2_percent_and_8_bytes_of_the_entropy():
    """Rate of each sample against the empirical entropy of its own levels; unlike channels push it below."""
    for arrays in (relu, signed):
        codec = fitted(arrays(40), levels=4)
        for x in arrays(5, seed=7):
            _, counts = np.unique(codec.decode(codec.encode(x)), return_counts=True)
            bits = -(counts * np.log2(counts / x.size)).sum()
            assert len(codec.encode(x)) <= 1.02 * bits / 8 + 8
    x = relu(1, seed=7)[0]
    assert 8 * len(fitted(levels=4).encode(x)) < 0.9 * fitted(levels=4).ideal_bits(x)


def test_skewed_levels_cost_little_more_than_their_entropy():
    """Where one level in a hundred differs, the windows that fit chooses stay within 2 % and 8 bytes too."""
    rng = np.random.default_rng(0)
    samples = (rng.random((20, 40_000)) < 0.01).astype(np.float32)
    codec = codecs.create("lightweight", (40_000,), levels=2, clipping="minmax").fit(samples[:10])
    for x in samples[10:]:
        p = x.mean()
        bits = -x.size * (p * math.log2(p) + (1 - p) * math.log2(1 - p))
        assert len(codec.encode(x)) <= 1.02 * bits / 8 + 8


def test_golden_bytes():
    """A description and a payload, pinned: a change of either breaks what is deployed."""
    description = {
        "name": "lightweight",
        "shape": [2, 2, 3],
        "options": {
            "levels": 4,
            "quantizer": "uniform",
            "lagrangian": 0.05,
            "clipping": "model",
            "slope": None,
            "low": "auto",
        },
        "tables": {
            "quantizer": {"levels": [0.0, 1.0, 2.0, 3.0], "thresholds": [0.5, 1.5, 2.5]},
            "initial": [40000, 30000, 20000],
            "shifts": [4, 7],
        },
    }
    codec = codecs.from_dict(description)
    assert codec.to_dict() == description
    x = np.float32([0, 0, 0.5, 9, 0.49, -3, 2, 1.49, 0, 0, 2.5, 1]).reshape(2, 2, 3)
    assert codec.encode(x).hex() == "4cb6ad"
    assert codec.decode(codec.encode(x)).reshape(-1).tolist() == [0, 0, 1, 3, 0, 0, 2, 1, 0, 0, 3, 1]


def test_constant_training_features_are_one_level_and_one_byte():
    """Where training saw a single value, that value is what arrives, for one byte."""
    codec = fitted(np.full((3, *SHAPE), 0.7, np.float32))
    payload = codec.encode(relu(1)[0])
    assert payload == b"\0"
    assert np.unique(codec.decode(payload)).tolist() == [np.float32(0.7)]
    with pytest.raises(ValueError, match="is not how"):
        codec.decode(b"\1")


def test_nearly_constant_training_features_get_a_range():
    """Where a rule gives no range, such as percentiles of values that are nearly all 0, extremes count."""
    features = np.zeros((3, *SHAPE), np.float32)
    features[1, 0, 0, 0] = 5
    for clipping in ("model", "empirical", "aciq", "percentile", "minmax"):
        levels = fitted(features, levels=2, clipping=clipping).coder.scalar_quantizer.levels
        assert levels[0] == 0
        assert 0 < levels[1] <= 5.001


def test_fit_does_not_depend_on_the_order_of_batches():
    """One pass over a generator of samples or of batches sets the same tables."""
    x = relu(50)
    by_sample = codecs.create("lightweight", SHAPE).fit(sample for sample in x)
    assert by_sample.to_dict() == codecs.create("lightweight", SHAPE).fit([x[:7], x[7:]]).to_dict()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("levels", 1, "levels=1 is not an integer from 2 to 256"),
        ("levels", 257, "levels=257 is not an integer from 2 to 256"),
        ("quantizer", "lloyd", "quantizer='lloyd' is not possible here.*'uniform', 'ecq'"),
        ("lagrangian", -1, "lagrangian=-1 is not a number from 0"),
        ("lagrangian", math.nan, "lagrangian=nan is not a number"),
        ("clipping", "mean", "clipping='mean' is not possible.*'model'.*'minmax'"),
        ("slope", 1.5, "slope=1.5 is not a number from 0 to 1"),
        ("low", "0", "low='0' is not possible here.*'auto', 'zero', 'free'"),
    ],
)
def test_impossible_options_are_refused(option, value, message):
    """Each option says which values it takes."""
    with pytest.raises(ValueError, match=message):
        codecs.create("lightweight", SHAPE, **{option: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"initial": [40000, 30000]}, "2 estimates for 4 levels"),
        ({"initial": [40000, 30000, 0]}, "estimate=0 is not an integer"),
        ({"initial": None}, "not a description"),
        ({"shifts": [4]}, "not enough values|not a description"),
        ({"shifts": [0, 4]}, "shift=0 is not an integer from 1 to 16"),
        ({"quantizer": {}}, "not a description"),
    ],
)
def test_damaged_table_is_refused(change, message):
    """Tables that are none are refused when they are loaded, so that decoding is safe."""
    d = json.loads(json.dumps(fitted(levels=4).to_dict()))
    d["tables"] |= change
    with pytest.raises(ValueError, match=message):
        codecs.from_dict(d)
