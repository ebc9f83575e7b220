"""The L1 rate and its normalisations."""

import pytest
import torch

from bottleneck.loss.rates import L1Rate, NoRate
from bottleneck.unit import UnitOutput

LATENT = torch.tensor(
    [[[[1.0, -2.0]], [[0.0, 3.0]]], [[[0.0, 0.0]], [[0.0, 4.0]]]]
)  # (2, 2, 1, 2): L1 6 and 4


@pytest.mark.parametrize(
    ("normalisation", "expected"), [("per_pixel", 5 / 64), ("mean", 5 / 4), ("sum", 5.0)]
)
def test_rate_is_the_mean_l1_norm_in_its_unit(normalisation, expected):
    """Each sample's L1 norm, per input pixel, per latent element or as it is."""
    rate = L1Rate((2, 1, 2), 64, normalisation=normalisation)(output(LATENT))
    assert rate.shape == (2,)
    assert rate.mean().item() == pytest.approx(expected)


def output(latent):
    """A unit's output whose latent this is."""
    return UnitOutput(latent, latent, latent)


def test_a_sample_costs_the_same_alone_and_in_any_batch():
    """The rate of a sample does not depend on the others."""
    rate = L1Rate((2, 1, 2), 64, normalisation="sum")
    assert (
        rate(output(LATENT)).tolist() == [rate(output(sample)).item() for sample in LATENT.split(1)] == [6, 4]
    )


def test_gradient_pulls_towards_zero_from_both_sides():
    """The rate's gradient has the latent's sign."""
    latent = LATENT.clone().requires_grad_()
    L1Rate((2, 1, 2), 64, normalisation="sum")(output(latent)).sum().backward()
    assert torch.equal(latent.grad.sign(), LATENT.sign())


def test_unknown_normalisation_is_refused():
    """A mistyped normalisation is answered with the known ones."""
    with pytest.raises(ValueError, match=r"rate\.normalisation='pixel'.*per_pixel"):
        L1Rate((2, 1, 2), 64, normalisation="pixel")


def test_no_rate_is_nothing_whatever_the_latent():
    """A bottleneck that is bounded by its shape pays nothing for what is in it."""
    assert NoRate((2, 1, 2), 64)(output(LATENT)).tolist() == [0, 0]
