"""A learned density: training bits, ideal bits and real bytes are three views of one number."""

import math

import numpy as np
import pytest
import torch

from bottleneck import codecs
from bottleneck.loss.density import DensityRate
from bottleneck.loss.rates import SumOfRates
from bottleneck.unit import UnitOutput

SHAPE, STEP = (2, 8, 8), 0.5


def latents(scale, n=64):
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(n, *SHAPE, generator=generator) * scale
    return (wide + torch.tensor([0.0, 0.7])[:, None, None] * scale) * STEP


def output(exact):
    return UnitOutput(exact, torch.round(exact / STEP) * STEP, exact)


def trained(exact, steps=400):
    """A density that has seen latents, as in training: noise instead of rounding."""
    torch.manual_seed(0)
    rate = DensityRate(SHAPE, 64, STEP)
    optimizer = torch.optim.Adam(rate.parameters(), 0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        rate(output(exact)).mean().backward()
        optimizer.step()
    return rate


@pytest.mark.sampled(3)
@pytest.mark.parametrize("scale", np.geomspace(0.05, 60, 10))
def test_training_bits_bound_ideal_bits_and_bytes_follow_them(scale):
    """Over ten scales: training bits are no fewer than the tables' ideal bits, and bytes within 1 % + 1."""
    exact = latents(scale)
    rate = trained(exact)
    training_bits = 64 * torch.stack([rate(output(exact)).mean() for _ in range(8)]).mean().item()
    symbols = torch.round(exact / STEP).to(torch.int32).numpy()
    coder = codecs.create("range", SHAPE).with_tables(*rate.tables())
    ideal = float(np.mean([coder.ideal_bits(one) for one in symbols]))
    assert training_bits >= ideal - 0.005 * ideal - 0.5
    for one in symbols:
        payload = coder.encode(one)
        assert np.array_equal(coder.decode(payload), one)
        assert len(payload) <= coder.ideal_bits(one) / 8 * 1.01 + 1


def test_tables_are_the_density():
    """Frequencies of a channel are its likelihoods at whole numbers, to a millionth, and never nothing."""
    rate = trained(latents(3.0))
    tables, index = rate.tables()
    assert list(index) == [0, 1]
    frequencies = np.diff(tables.cumulative, axis=1)[:, :-1]
    symbols = torch.arange(tables.low, tables.low + frequencies.shape[1], dtype=torch.float64)
    likelihood = rate.double().log_likelihood(symbols.repeat(2, 1)[None])[0].detach().exp().numpy()
    np.testing.assert_allclose(frequencies / 2**24, likelihood, atol=1e-6)
    assert frequencies.min() >= 1


@pytest.mark.slow
def test_settled_density_is_near_the_entropy_of_the_symbols():
    """After `settle`, the tables cost at most 2 % more than counted ones do on the very same symbols."""
    exact = latents(0.4, 256)
    symbols = torch.round(exact / STEP)
    rate = trained(exact)
    rate.settle(symbols)
    learned = codecs.create("range", SHAPE).with_tables(*rate.tables())
    counted = codecs.create("range", SHAPE).fit([symbols.to(torch.int32).numpy()])
    bits = [
        float(np.mean([coder.ideal_bits(one) for one in symbols.to(torch.int32).numpy()]))
        for coder in (learned, counted)
    ]
    assert bits[0] <= 1.02 * bits[1]


def test_symbols_without_an_entry_do_not_matter_to_settle():
    """Those too far away for tables change nothing, and take no time, however far apart they are."""
    symbols = torch.round(latents(0.4, 4) / STEP).to(torch.int32)[None].flatten(3).movedim(1, 3).flatten(2)
    far = torch.tensor([-(2**31), 2**31 - 1]).to(torch.int32).expand(1, 2, 2)
    rate, same = DensityRate(SHAPE, 64), DensityRate(SHAPE, 64)
    rate.settle(symbols)
    same.settle(torch.cat([symbols, far], 2))
    for one, other in zip(rate.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("means", "scales"), [(0.0, 6.0), (1e6, 0.0), (math.nan, 0.0)])
def test_density_that_no_tables_hold_has_none(means, scales):
    """Too wide for its channels together, or too far away: whoever trains counts instead."""
    rate = DensityRate((64, 2, 2), 16)
    with torch.no_grad():
        rate.means.fill_(means)
        rate.log_scales.fill_(scales)
    assert rate.tables() is None
    assert SumOfRates([DensityRate((2, 2, 2), 16), rate]).tables() is None


def test_gradient_pulls_towards_likely_values_from_both_sides():
    """In training, unlikely latents are pulled to where the density is."""
    rate = DensityRate((1, 1, 1), 1, 1.0)
    for place, sign in ((40.0, 1), (-40.0, -1)):
        exact = torch.full((64, 1, 1, 1), place, requires_grad=True)
        rate(UnitOutput(exact, exact.round(), exact)).sum().backward()
        assert torch.sign(exact.grad.mean()) == sign


def test_rate_is_bits_per_pixel():
    """A uniform density over 2^k symbols costs k bits for each, over the pixels of the image."""
    rate = DensityRate((1, 4, 4), 256, 1.0, components=1).eval()
    with torch.no_grad():
        rate.log_scales.fill_(math.log(50))
    zero = torch.zeros(3, 1, 4, 4)
    expected = -math.log2(2 / (1 + math.exp(-0.01)) - 1) * 16 / 256
    torch.testing.assert_close(
        rate(UnitOutput(zero, zero, zero)), torch.full((3,), expected), rtol=1e-3, atol=0
    )


def test_density_without_components_is_refused():
    """A mixture of nothing has no likelihood."""
    with pytest.raises(ValueError, match=r"rate\.components=0"):
        DensityRate((1, 1, 1), 1, components=0)


def test_density_of_wider_intervals_is_the_sum_of_narrow_ones():
    """One density serves several steps: an interval of three has the probability of the three in it."""
    torch.manual_seed(0)
    rate = DensityRate((2, 1, 1), 64)
    with torch.no_grad():
        rate.means.add_(torch.rand_like(rate.means))
    grid = torch.arange(-30.0, 31.0).repeat(2, 1)[None]
    narrow = rate.log_likelihood(grid)[0].exp()
    rate.width = torch.tensor([3.0, 3.0])
    wide = rate.log_likelihood(torch.arange(-9.0, 10.0).repeat(2, 1)[None])[0].exp()
    torch.testing.assert_close(wide, narrow[:, 2:-2].unflatten(1, (19, 3)).sum(2))
    rate.width = torch.tensor([1.0, 3.0])
    torch.testing.assert_close(rate.log_likelihood(grid)[0, 0].exp(), narrow[0])
