"""Several rates of one unit: a step for each latent channel and rate."""

import pytest
import torch

from bottleneck.unit.gains import Gains
from bottleneck.unit.quantizer import DivergedError

LATENT = 5 * torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))


def test_later_rates_begin_coarser():
    """From the first rate to the last, ever more symbols are zero."""
    gains, zeros = Gains(1.0, 3, 4), []
    for rate in range(4):
        gains.rate = rate
        zeros.append(int((gains.symbols(LATENT) == 0).sum()))
    assert zeros == sorted(zeros)
    assert zeros[0] < zeros[-1]


def test_one_rate_alone_is_a_plain_quantizer():
    """What was learned for a rate is kept by a quantizer with a step per channel."""
    gains = Gains(0.5, 3, 2)
    with torch.no_grad():
        gains.log_steps.add_(torch.rand(2, 3))
        for rate in range(2):
            gains.rate = rate
            assert torch.equal(gains.at(rate).symbols(LATENT), gains.symbols(LATENT))
            torch.testing.assert_close(gains.at(rate)(LATENT), gains(LATENT))


def test_steps_of_the_rate_at_hand_learn():
    """A step has the gradient of what rounding did, the latent passes it on, and other rates rest."""
    gains, latent = Gains(1.0, 3, 2), LATENT.clone().requires_grad_()
    gains.rate = 1
    gains(latent).sum().backward()
    steps = gains.step_for(LATENT).detach()
    learned = (gains.symbols(LATENT) * steps - LATENT).sum((0, 2, 3))
    torch.testing.assert_close(gains.log_steps.grad[1], learned)
    assert not gains.log_steps.grad[0].any()
    torch.testing.assert_close(latent.grad, torch.ones_like(latent))


@pytest.mark.parametrize("log_step", [1000.0, -1000.0, float("nan")])
def test_steps_that_diverge_are_named_with_the_cure(log_step):
    """A step of zero, of infinity or of NaN makes no quantizer of any rate."""
    gains = Gains(0.5, 4, 3)
    torch.nn.init.constant_(gains.log_steps[1], log_step)
    with pytest.raises(DivergedError, match=r"steps of rate 1 went from .* Lower the optimizer's lr"):
        gains.at(1)
    assert gains.at(0).step == pytest.approx((0.5,) * 4)
