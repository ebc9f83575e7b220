"""Mid-point quantization: the formula, its three scopes, its statistics."""

import json

import numpy as np
import pytest

from bottleneck import codecs
from bottleneck.codecs.levels.mid_point import MidPoint, pooled_moments
from bottleneck.codecs.stage import Form

SHAPE = (3, 4, 5)
AXES = {"layer": (0, 1, 2, 3), "channel": (0, 2, 3), "neuron": (0,)}
each_scope = pytest.mark.parametrize("scope", AXES)


def features(n=64, seed=0):
    """Every channel, and every neuron a little, with a mean and a deviation of its own."""
    rng = np.random.default_rng(seed)
    mean = 8 * np.arange(3)[:, None, None] + np.linspace(0, 3, 20).reshape(4, 5)
    return (mean + (0.5 + mean / 20) * rng.normal(size=(n, *SHAPE))).astype(np.float32)


@each_scope
@pytest.mark.parametrize("sizes", [[64], [1] * 64, [7, 50, 7]])
def test_moments_are_those_of_all_samples_at_once(scope, sizes):
    """Mean and deviation do not depend on how the samples are grouped, and match the two-pass ones."""
    samples = features()
    batches = np.split(samples, np.cumsum(sizes)[:-1])
    mean, sigma = pooled_moments(SHAPE, scope, [b[0] if len(b) == 1 else b for b in batches])
    exact = samples.astype(np.float64)
    assert np.allclose(mean, exact.mean(axis=AXES[scope], keepdims=True)[0], atol=1e-12)
    assert np.allclose(sigma, exact.std(axis=AXES[scope], keepdims=True)[0], atol=1e-9)


@each_scope
@pytest.mark.parametrize(("levels", "sigmas"), [(7, 3.3), (6, 3.7), (256, 3.0), (2, 0.5)])
def test_symbols_and_values_follow_the_formula(scope, levels, sigmas):
    """Symbols clip(floor((x - low) N / range)), values low + (q + 0.5) range / N, over mean ± w·sigma."""
    samples = features()
    quantizer = MidPoint(Form("feature", SHAPE), levels, scope, sigmas)
    quantizer.fit([samples])
    exact = samples.astype(np.float64)
    mean = exact.mean(axis=AXES[scope], keepdims=True)[0]
    half = sigmas * exact.std(axis=AXES[scope], keepdims=True)[0]
    q = np.floor((exact[0] - mean + half) * levels / (2 * half)).clip(0, levels - 1)
    header, symbols = quantizer.forward(samples[0])
    assert header == b""
    assert np.array_equal(symbols, q)
    values = quantizer.backward(b"", symbols)
    assert np.allclose(values, mean - half + (q + 0.5) * 2 * half / levels, rtol=1e-6, atol=1e-6)


def test_finer_scopes_have_smaller_errors():
    """Where neurons differ, a range for each is more accurate than one for all, at the same rate."""
    errors = []
    for scope in ("layer", "channel", "neuron"):
        codec = codecs.create("quantised", SHAPE, levels=6, per=scope, sigmas=3.0).fit(features(512))
        payloads = [codec.encode(x) for x in features(50, seed=1)]
        errors.append(
            np.mean([(codec.decode(p) - x) ** 2 for p, x in zip(payloads, features(50, seed=1), strict=True)])
        )
        assert {len(payload) for payload in payloads} == {20}
    assert errors == sorted(errors, reverse=True)


def test_constant_neuron_is_sent_as_its_mean():
    """Where nothing varies, every value decodes to the mean."""
    samples = features()
    samples[:, 0, 0, 0] = 7.25
    codec = codecs.create("quantised", SHAPE, levels=7, per="neuron").fit([samples])
    odd = features(1, seed=3)[0]
    assert codec.decode(codec.encode(odd))[0, 0, 0] == 7.25


def test_quantised_values_are_a_fixed_point():
    """Coding the decoded values again gives the same payload: the loss happens once."""
    codec = codecs.create("quantised", SHAPE, levels=7, per="channel").fit([features()])
    payload = codec.encode(features(1, seed=2)[0])
    assert codec.encode(codec.decode(payload)) == payload


def test_values_beyond_float32_are_clipped():
    """A range that leaves float32 still decodes to finite values."""
    huge = np.float32(3e38) * np.array([-1, 1], np.float32)
    codec = codecs.create("quantised", (2,), levels=3, per="layer", sigmas=9.0).fit([huge, -huge])
    assert np.isfinite(codec.decode(codec.encode(huge))).all()


@each_scope
def test_damaged_tables_are_refused(scope):
    """Tables of another length, with NaN or a negative deviation, are refused."""
    d = json.loads(json.dumps(codecs.create("quantised", SHAPE, per=scope).fit([features()]).to_dict()))
    mean, sigma = d["tables"]["mean"], d["tables"]["sigma"]
    for tables in (
        {"mean": mean, "sigma": [*sigma, 1.0]},
        {"mean": [float("nan"), *mean[1:]], "sigma": sigma},
        {"mean": mean, "sigma": [-1.0, *sigma[1:]]},
    ):
        with pytest.raises(ValueError, match=r"table '(mean|sigma)' of shape .* finite numbers, sigma not"):
            codecs.from_dict(d | {"tables": tables})


def test_fit_needs_samples():
    """Without any sample there is no range."""
    for arrays in ([], [np.zeros((0, *SHAPE))]):
        with pytest.raises(ValueError, match="no arrays to fit stage 'mid-point'"):
            codecs.create("quantised", SHAPE, per="layer").fit(arrays)
