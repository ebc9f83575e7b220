"""Relevance, on a network whose gradients are known."""

import numpy as np
import pytest
import torch

from bottleneck.analyze.relevance import DEFINITIONS, Relevance, most_relevant, relevance, relevance_of

WEIGHTS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -2.0]])  # of two classes, by channel


def tail(feature):
    return feature.sum(dim=(2, 3)) @ WEIGHTS.T


FEATURES = torch.tensor([[[[1.0, 0.0]], [[0.0, 3.0]], [[2.0, 0.0]]]])  # logits 0, -1: class 0


def test_three_definitions_by_hand():
    """Each definition of a linear network is worked out from its weights and the softmax."""
    found = relevance(tail, FEATURES)
    p = float(torch.softmax(tail(FEATURES), 1)[0, 0])
    assert p > 0.5
    gradient = p * (1 - p) * (WEIGHTS[0] - WEIGHTS[1])
    assert tuple(found) == DEFINITIONS
    per_channel = gradient[None, :, None, None].expand_as(FEATURES)
    per_channel = per_channel.double()
    assert torch.allclose(found["gradient"], per_channel.abs())
    assert torch.allclose(found["gradient_x_activation"], per_channel * FEATURES)
    grad_cam = (per_channel * FEATURES).sum(1, keepdim=True).clamp(min=0)
    assert torch.allclose(found["grad_cam"], grad_cam.expand_as(FEATURES))
    assert float(found["grad_cam"][0, 0, 0, 1]) == 0  # channel 1 speaks against the class there


def test_certain_class_still_has_a_gradient():
    """A class of probability 1 but for e^-90 has coefficients that are relevant in proportion."""
    found = relevance(tail, 90 * FEATURES)
    per_channel = found["gradient"][0, :, 0, 0]
    assert per_channel / per_channel[0] == pytest.approx([1, 1, 1.25])
    assert float(per_channel[0]) == pytest.approx(2 * np.exp(-90), rel=1e-5)


def test_pixels_are_summed():
    """A segmentation's relevance is that of its pixels' classes, one pixel at a time, added up."""
    features = torch.rand(2, 3, 1, 2, generator=torch.Generator().manual_seed(0))

    def each_pixel(feature):
        return torch.einsum("kc,bchw->bkhw", WEIGHTS, feature)

    found = relevance(each_pixel, features)["gradient"]
    for column in range(2):
        alone = relevance(tail, features[..., column : column + 1])["gradient"]
        assert torch.allclose(found[..., column : column + 1], alone, rtol=1e-5)


def test_parameters_and_features_stay_as_they_are():
    """Neither the features nor the network collect gradients."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 2))
    features = FEATURES.clone()
    with torch.no_grad():
        relevance(network, features)
    assert features.grad is None
    assert all(parameter.grad is None for parameter in network.parameters())


def test_batches_do_not_matter():
    """Many features give each the relevance that it has alone."""
    features = np.random.default_rng(0).normal(size=(70, 3, 2, 2)).astype(np.float32)
    found = relevance_of(tail, features)
    alone = relevance(tail, torch.from_numpy(features[69:]))
    for name in DEFINITIONS:
        assert found[name].shape == features.shape
        assert np.allclose(found[name][69:], alone[name].numpy())


def test_most_relevant_are_the_largest_positive_of_each_image():
    """Each image has its own share; nothing without relevance is chosen, however few are left."""
    given = np.float32([[9, 1, 2, 3], [0, 0, 5, -8]]).reshape(2, 1, 2, 2)
    assert most_relevant(given, 0.5).reshape(2, 4).tolist() == [[1, 0, 0, 1], [0, 0, 1, 0]]
    assert most_relevant(given, 0.01).sum() == 2


def test_summary_counts_zeros_and_magnitudes():
    """Zeros among the relevant and their share of all zeros are counted; gradients may choose zeros."""
    features = np.float32([0, 0, 1, 4, 0, 0, 0, 5]).reshape(1, 2, 2, 2)
    scores = np.float32([9, 8, 0, 0, 0, 0, 0, 7]).reshape(features.shape)
    found = Relevance.of(features, {"made": scores, "none": np.zeros_like(scores)}, top=3 / 8)
    made = found.definitions["made"]
    assert found.zero_fraction == 5 / 8
    assert made.zero_fraction == pytest.approx(2 / 3)
    assert made.share_of_zeros == 2 / 5
    assert made.mean_magnitude == pytest.approx((5 / 3) / (10 / 8))
    assert found.definitions["none"].cdf == [0.0] * len(found.values)
    with pytest.raises(ValueError, match=r"relevance.top=0 is no share"):
        Relevance.of(features, {"made": scores}, top=0)
