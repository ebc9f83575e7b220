"""The probability of a symbol under a logistic density."""

import pytest
import torch

from bottleneck.codecs.entropy.logistic import log_probability


@pytest.mark.parametrize("narrow", [0.3, 1.0, 5.0])
def test_probabilities_of_all_symbols_are_one(narrow):
    """Around any mean, symbols on both sides share the whole."""
    symbols = torch.arange(-200.0, 201.0, dtype=torch.float64)
    total = log_probability((symbols - 0.3).abs(), torch.tensor(narrow)).exp().sum()
    assert total.item() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("narrow", [20.0, 1.0, 1e-9])
def test_there_is_a_gradient_however_far_and_wide(narrow):
    """Neither a value beyond float32's sigmoids nor a scale beyond its differences ends learning."""
    away = torch.tensor([0.0, 3.0, 1e5], requires_grad=True)
    inverse = torch.tensor(narrow, requires_grad=True)
    log_probability(away, inverse).sum().backward()
    assert away.grad.isfinite().all()
    assert inverse.grad.isfinite()
