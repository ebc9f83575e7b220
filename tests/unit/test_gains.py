"""Several rates of one unit: a step for each latent channel and rate."""

import torch

from bottleneck.unit.gains import Gains

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
