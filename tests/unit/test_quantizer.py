"""The quantizer: rounding forward, identity backward."""

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from bottleneck.unit import PlainUnit, build
from bottleneck.unit.quantizer import Quantizer

STEPS = st.floats(0.01, 100)
LATENTS = st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20)


@given(LATENTS, STEPS)
def test_reconstruction_is_within_half_a_step(latent, step):
    """|y_hat - y| <= Q/2, up to float32 rounding."""
    y = torch.tensor(latent)
    error = (Quantizer(step)(y) - y).abs()
    assert bool((error <= step / 2 + 1e-6 * y.abs() + 1e-6).all())


@given(LATENTS, STEPS)
def test_quantizing_twice_changes_nothing(latent, step):
    """A quantized latent is a fixed point."""
    quantizer = Quantizer(step)
    once = quantizer(torch.tensor(latent))
    assert torch.equal(quantizer(once), once)


@given(LATENTS, STEPS)
def test_values_of_symbols_are_the_quantized_latent(latent, step):
    """The server's values from symbols are bit for bit what training saw."""
    quantizer = Quantizer(step)
    y = torch.tensor(latent)
    assert torch.equal(quantizer.values(quantizer.symbols(y)), quantizer(y))


def test_ties_go_to_even():
    """Half steps round to the even symbol, as the paper's release does."""
    latent = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5]) * 3
    assert Quantizer(3).symbols(latent).tolist() == [0, 2, 2, 0, -2]


@given(LATENTS, STEPS, st.floats(0, 0.499))
@example([5243.18798828125], 0.01, 0.15625)
def test_offset_below_a_half_rounds_towards_zero(latent, step, offset):
    """No symbol is beyond the nearest one, signs stay, and less than 1 - offset of a step is lost."""
    y = torch.tensor(latent)
    nearest, found = (Quantizer(step).symbols(y, o).double() for o in (0.5, offset))
    lost = (y / step).abs().double() - found.abs()
    assert bool(((found.abs() <= nearest.abs()) & (found * y >= 0)).all())
    slack = 1e-3 + 2.0**-22 * (y / step).abs().double()  # what float32 knows of so many steps
    assert bool(((lost < 1 - offset + slack) & (lost > -offset - slack)).all())


@pytest.mark.parametrize("offset", [-0.1, 0.6, float("nan")])
def test_offset_out_of_range_is_refused(offset):
    """An offset lies between truncation and plain rounding."""
    with pytest.raises(ValueError, match=r"offset=.* must be from 0 .* to 0\.5"):
        Quantizer(1.0).symbols(torch.zeros(1), offset)


@given(st.lists(STEPS, min_size=3, max_size=3), st.integers(0, 3))
def test_each_channel_may_have_a_step_of_its_own(steps, seed):
    """With several steps, a channel is quantized as by its own alone, and symbols restore it bit for bit."""
    y = 10 * torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(seed))
    several = Quantizer(steps)
    symbols = several.symbols(y)
    for channel, step in enumerate(steps):
        assert torch.equal(
            symbols[:, channel], Quantizer(several.steps[channel].item()).symbols(y[:, channel])
        )
        assert step == pytest.approx(several.steps[channel].item())
    assert torch.equal(several.values(symbols), several(y))
    assert build({**PlainUnit(4, 3, 1, steps, (2, 2)).options}).quantizer.step == tuple(steps)


def test_gradient_passes_straight_through():
    """The gradient of the quantized latent arrives unchanged, whatever its sign."""
    latent = torch.tensor([-3.2, 0.1, 7.7], requires_grad=True)
    gradient = torch.tensor([1.5, -2.5, 0.25])
    Quantizer(2)(latent).backward(gradient)
    assert torch.equal(latent.grad, gradient)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e12])
def test_latent_without_symbols_is_refused(value):
    """NaN, infinity and overflow are reported, not turned into some integer."""
    with pytest.raises(ValueError, match=r"NaN, infinity.*unit\.step=0\.5"):
        Quantizer(0.5).symbols(torch.tensor([1.0, value]))


@pytest.mark.parametrize("step", [0, -1, float("nan"), float("inf")])
def test_step_that_is_none_is_refused(step):
    """A step has to be positive and finite."""
    with pytest.raises(ValueError, match=r"unit\.step="):
        Quantizer(step)
