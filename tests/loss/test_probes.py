"""The objective that weighs errors by gradient probes."""

import pytest
import torch
from torch import nn

from bottleneck.loss.objectives import Matching, Passage, Sum
from bottleneck.loss.probes import Probes
from bottleneck.splitting import split
from bottleneck.tasks import Classification
from bottleneck.training.frozen import FrozenHalves

NOTHING = split(nn.Sequential(nn.Identity(), nn.Identity()), "0", torch.zeros(1, 3, 2, 2)).freeze()
WANTED, NOISE = torch.randn(2, 8, 3, 2, 2, generator=torch.Generator().manual_seed(0))
GRADIENTS = torch.randn(8, 2, 3, 2, 2, generator=torch.Generator().manual_seed(1))


def judged(value, probes=GRADIENTS, wanted=WANTED):
    frozen = FrozenHalves(NOTHING, wanted, {})
    return Probes(2)(Passage(Classification(3), None, None, {}, value, frozen, probes))


def test_errors_count_in_units_of_the_features_own_variation():
    """Nothing for equal features; one on average for a feature that holds each channel's mean alone."""
    torch.testing.assert_close(judged(WANTED), torch.zeros(8))
    means = WANTED.mean((0, 2, 3), keepdim=True).expand_as(WANTED)
    torch.testing.assert_close(judged(means).mean(), torch.tensor(1.0))


def test_only_errors_along_a_probe_count():
    """An error that no probe sees is free; twice an error counts four times, whatever its sign."""
    seen = torch.linalg.qr(GRADIENTS.flatten(2).mT)[0]
    error = NOISE.flatten(1)
    unseen = (error - (seen @ (seen.mT @ error[:, :, None]))[..., 0]).reshape(WANTED.shape)
    assert judged(WANTED + NOISE).min() > 1e-4
    torch.testing.assert_close(judged(WANTED + unseen), torch.zeros(8), atol=1e-6, rtol=0)
    torch.testing.assert_close(judged(WANTED - 2 * NOISE), 4 * judged(WANTED + NOISE))


def test_weight_has_no_units():
    """Features in other units, or logits ten times as large, are judged the same."""
    expected = judged(WANTED + NOISE)
    torch.testing.assert_close(judged(WANTED + NOISE, 10 * GRADIENTS), expected)
    torch.testing.assert_close(judged(7 * (WANTED + NOISE), GRADIENTS / 7, 7 * WANTED), expected)


def test_batch_without_gradients_is_no_division_by_zero():
    """Where nothing changes the logits, nothing is lost."""
    assert judged(WANTED + NOISE, torch.zeros_like(GRADIENTS)).tolist() == [0] * 8


def test_sum_wants_what_its_terms_want():
    """A sum asks for as many probes as its most curious term."""
    terms = {"matching": Matching(), "probes": Probes(3)}
    assert Sum(terms, {"matching": 1.0, "probes": 1.0}).probes == 3
    assert Sum({"matching": Matching()}, {"matching": 1.0}).probes == 0


@pytest.mark.parametrize("count", [0, -1, 1.5])
def test_probes_are_counted_from_one(count):
    """No probes, or a part of one, is refused with the key."""
    with pytest.raises(ValueError, match=rf"probes={count} must be a whole number of at least 1"):
        Probes(count)
