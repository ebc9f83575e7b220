"""The plain unit: a linear map of each cell, and what it costs."""

import torch
from torch.nn import functional as F

from bottleneck.measure.complexity import mac_count, parameter_count
from bottleneck.unit import PlainUnit


def test_parameters_and_work_are_those_it_says():
    """(1 + S²)·C·C_r + 2·(C + C_r) parameters; C·C_r·h·w multiply-accumulates on the device."""
    unit = PlainUnit(6, 3, 2, 1.0, (7, 5))
    assert parameter_count(unit) == (1 + 4) * 6 * 3 + 2 * (6 + 3)
    assert mac_count(unit.encoder, torch.zeros(1, 6, 7, 5)) == 6 * 3 * 4 * 3


def test_encoder_is_the_mean_of_each_cell_through_one_matrix():
    """Cells at the edge are means of the values that they have, and the latent is never negative."""
    torch.manual_seed(0)
    unit = PlainUnit(6, 3, 2, 1.0, (7, 5)).eval()
    feature = torch.randn(2, 6, 7, 5)
    conv, norm = unit.encoder[1], unit.encoder[2]
    corner = feature[:, :, 6:, 4:].mean((2, 3))
    expected = F.relu(corner @ conv.weight[:, :, 0, 0].T / (1 + norm.eps) ** 0.5)
    torch.testing.assert_close(unit.encode(feature)[:, :, 3, 2], expected)


def test_signed_features_come_back_signed():
    """Without a last activation the reconstruction has both signs, with it none is negative."""
    torch.manual_seed(0)
    feature = torch.randn(4, 6, 4, 4)
    for activation, is_signed in {"none": True, "relu": False}.items():
        unit = PlainUnit(6, 3, 1, 0.1, (4, 4), activation=activation)
        assert bool((unit(feature).feature < 0).any()) == is_signed
