"""The integer network expects what the floating-point network does, exactly the same everywhere."""

import numpy as np
import pytest
import torch

from bottleneck.codecs.entropy.context import predictor
from bottleneck.codecs.entropy.context.learning import ContextModel, _rounded
from bottleneck.codecs.entropy.context.predictor import (
    MEAN_PARTS,
    NARROWEST,
    SCALE_PARTS,
    WIDEST,
    Predictor,
    group_bounds,
    plane_of,
)


@pytest.fixture
def model():
    model = ContextModel(7, 3, 5, shift=1)
    with torch.no_grad():
        for part in (model.bias, model.told, model.base):
            part.normal_(0, 0.3, generator=torch.Generator().manual_seed(1))
    return model


def expected(weights, symbols):
    """Means and scales of all groups."""
    looking = Predictor(weights, symbols.shape[1:])
    known, found = looking.begin(), []
    for group, (low, high) in enumerate(zip(looking.bounds[:-1], looking.bounds[1:], strict=True)):
        found.append(looking.expect(group, known))
        looking.see(group, known, symbols[weights.order[low:high]].reshape(high - low, -1))
    return [np.concatenate([part[i] for part in found]) for i in range(2)]


def test_whole_numbers_expect_what_floating_point_does(model):
    """Mean and scale of each element differ by a rounding, whatever is beyond the reach."""
    symbols = np.random.default_rng(0).integers(-40, 40, (7, 4, 3)).astype(np.int32)
    mean, scale = expected(_rounded(model, np.arange(7)), symbols)
    wanted = model._expected(torch.from_numpy(symbols)[None].float())
    assert (
        np.abs(mean / MEAN_PARTS - wanted[0].detach()[0].flatten(1).numpy()).max() < 0.51 / MEAN_PARTS + 0.1
    )
    doublings = wanted[1].detach()[0].flatten(1).numpy() / np.log(2)
    doublings = np.clip(doublings, NARROWEST / SCALE_PARTS, WIDEST / SCALE_PARTS)
    assert np.abs(scale / SCALE_PARTS - doublings).max() < 0.51 / SCALE_PARTS + 0.1


def test_the_order_of_a_sum_changes_nothing(model):
    """Hidden units and terms in any order give the same to the last bit: everything is a whole number."""
    weights = _rounded(model, np.arange(7))
    mixed = np.array([3, 0, 4, 2, 1])
    other = weights._replace(
        known=weights.known[mixed], bias=weights.bias[:, mixed], told=weights.told[:, :, mixed]
    )
    symbols = np.random.default_rng(0).integers(-9, 9, (7, 4, 3)).astype(np.int32)
    for one, same in zip(expected(weights, symbols), expected(other, symbols), strict=True):
        np.testing.assert_array_equal(one, same)


def test_order_is_that_of_the_channels(model):
    """A sample's channels are looked up in coding order."""
    order = np.array([2, 6, 0, 1, 5, 3, 4])
    symbols = np.random.default_rng(0).integers(-9, 9, (7, 4, 3)).astype(np.int32)
    mixed = np.empty_like(symbols)
    mixed[order] = symbols
    plain, moved = expected(_rounded(model, np.arange(7)), symbols), expected(_rounded(model, order), mixed)
    np.testing.assert_array_equal(plain[0], moved[0])


def test_groups_and_planes():
    """Groups are equal but for one; axes that are no plane are one high."""
    assert group_bounds(7, 3) == [0, 2, 4, 7]
    assert [plane_of(shape) for shape in ((5,), (5, 6), (5, 6, 7), (5, 2, 3, 4))] == [
        (1, 1),
        (6, 1),
        (6, 7),
        (24, 1),
    ]


@pytest.mark.parametrize("places", [1, 3, 7])
def test_a_plane_is_walked_over_in_parts_of_any_size(model, monkeypatch, places):
    """What is done at once for memory's sake changes nothing."""
    symbols = np.random.default_rng(0).integers(-9, 9, (7, 4, 3)).astype(np.int32)
    weights = _rounded(model, np.arange(7))
    whole = expected(weights, symbols)
    monkeypatch.setattr(predictor, "_PLACES", places)
    for one, same in zip(whole, expected(weights, symbols), strict=True):
        np.testing.assert_array_equal(one, same)
