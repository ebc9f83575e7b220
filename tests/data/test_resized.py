"""Photographs of any size: what is asked for counts, then the network's own library, then what is usual."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from bottleneck import models
from bottleneck.data import Frames, ImageFolder
from bottleneck.preprocess import preprocess

OWN = {"size": [20, 24], "interpolation": "bicubic"}


@pytest.fixture
def root(tmp_path):
    """Two classes, one photograph of each in both parts."""
    for part in ("train", "val"):
        for label in ("a", "b"):
            (tmp_path / part / label).mkdir(parents=True)
            pixels = np.random.default_rng(len(part)).integers(0, 256, (40, 50, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / part / label / "1.png")
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "own", "expected"),
    [
        ({}, None, {"short_side": 256, "crop": 224}),
        ({}, OWN, OWN),
        ({}, {"short_side": 48, "crop": 32}, {"short_side": 48, "crop": 32}),
        ({"interpolation": "nearest"}, OWN, {"size": [20, 24], "interpolation": "nearest"}),
        ({"interpolation": "bilinear"}, OWN, {"size": [20, 24]}),
        ({"crop": 192}, None, {"short_side": 256, "crop": 192}),
        ({"crop": 192}, OWN, {"short_side": 256, "crop": 192, "interpolation": "bicubic"}),
        ({"size": [30, 30]}, OWN, {"size": [30, 30], "interpolation": "bicubic"}),
        ({"size": [30, 30], "crop": 20}, None, {"size": [30, 30], "crop": 20}),
    ],
)
def test_what_is_not_asked_for_is_the_librarys(root, asked, own, expected):
    """Sizes count together, the interpolation by itself, and images have the size that is said."""
    data = ImageFolder(root, **asked).suited(own)
    assert data.preprocessing == expected
    image, _ = data.subset("val")[0]
    assert tuple(image.shape) == data.image_shape
    assert torch.equal(image, preprocess(**expected)(Image.open(root / "val" / "a" / "1.png")))


def test_frames_are_prepared_for_their_network(root):
    """The answers that frames are compared with are those to images as the network's library makes them."""
    network = models.wrap(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), side=20)
    network.preprocessing = {"size": [20, 20], "interpolation": "nearest"}
    data = Frames(network, root)
    image, answer = data.subset("val")[0]
    photograph = Image.open(sorted(root.rglob("*.png"))[1])
    assert torch.equal(image, preprocess(**network.preprocessing)(photograph))
    assert answer == network(image[None]).argmax(1)


def test_augmented_training_images_have_the_size(root):
    """Random crops have the height and width that the network takes."""
    data = ImageFolder(root, augment=True).suited(OWN)
    assert data.subset("train")[0][0].shape == (3, 20, 24)
