"""The rate of codec `context`: bits, with a gradient, learned with the unit."""

import pytest
import torch

from bottleneck.loss.context import ContextRate
from bottleneck.unit import UnitOutput


def output(values):
    return UnitOutput(values, values.detach().round(), values)


def followers(n, seed):
    """Latents of two channels, the second what the first is."""
    first = 3 * torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return torch.cat([first, first], 1)


def test_a_channel_that_follows_from_another_costs_little():
    """Trained, the second channel's bits are a fraction of the first's; untrained, they are as many."""
    torch.manual_seed(0)
    rate = ContextRate((2, 4, 4), pixels=64, width=8)
    alone = ContextRate((2, 4, 4), pixels=64, groups=1)
    for trained in (rate, alone):
        optimizer = torch.optim.Adam(trained.parameters(), 2e-2)
        for step in range(300):
            loss = trained(output(followers(32, step))).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    unseen = output(followers(64, 1000))
    assert rate.eval().sent(unseen).mean() < 0.8 * alone.eval().sent(unseen).mean()


def test_it_is_bits_per_pixel():
    """A wider plane of the same costs more; whoever doubles the pixels halves the rate."""
    latent = output(followers(8, 0))
    one, half = ContextRate((2, 4, 4), 64).eval(), ContextRate((2, 4, 4), 128).eval()
    torch.testing.assert_close(one.sent(latent), 2 * half.sent(latent))
    assert one.in_bits
    assert one.tables() is None  # the codec learns its own


def test_the_encoder_hears_of_it():
    """The exact latent has a gradient, also through what later channels see."""
    values = followers(4, 0).requires_grad_()
    rate = ContextRate((2, 4, 4), 64)
    torch.nn.init.normal_(rate.model.told, std=0.1)
    rate(UnitOutput(values, values, values)).sum().backward()
    assert (values.grad[:, 0] != 0).any()


@pytest.mark.parametrize("options", [{"groups": 0}, {"width": 0}])
def test_impossible_sizes_are_refused(options):
    """By value, when it is made."""
    with pytest.raises(ValueError, match="must be at least 1"):
        ContextRate((2, 4, 4), 64, **options)


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 3, 2)])
def test_any_shape_of_latent(shape):
    """A vector, a sequence or a map."""
    latent = torch.randn(3, *shape)
    assert ContextRate(shape, 64)(output(latent)).shape == (3,)
