"""Views: the same in every run, different from each other, and of training images alone."""

import numpy as np
import pytest
import torch
from PIL import Image

from bottleneck.data import ImageFolder
from bottleneck.data.views import View
from bottleneck.preprocess import preprocess

PREPARE = preprocess(32, 32)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 5), ("val", 2)):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 255, (40, 48, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{number}.png")
    return tmp_path


def photograph(seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 48, 3)).astype(np.uint8))


def test_first_views_are_the_image_and_its_mirror():
    """View 0 is what every subset shows, view 1 the same from right to left."""
    plain, mirrored = (View(number, 32, PREPARE)(photograph()) for number in (0, 1))
    assert torch.equal(plain, PREPARE(photograph()))
    assert torch.equal(mirrored, plain.flip(2))


def test_views_depend_on_the_image_and_their_number_alone():
    """The same part is seen in every run; other numbers and other images see other parts."""
    first = View(2, 32, PREPARE)(photograph())
    torch.rand(3)
    assert torch.equal(View(2, 32, PREPARE)(photograph()), first)
    assert not torch.equal(View(3, 32, PREPARE)(photograph()), first)
    assert first.shape == (3, 32, 32)


def test_training_images_come_in_all_views_and_others_in_one(folder):
    """Counts, order, labels and fingerprints take the views into account."""
    images = ImageFolder(folder, 32, 32, views=3, holdout=0.2)
    single = ImageFolder(folder, 32, 32, holdout=0.2)
    assert (images.count("train"), single.count("train")) == (24, 8)
    train, alone = images.subset("train"), single.subset("train")
    assert len(train) == 24
    assert [train[i][1] for i in range(24)] == [alone[i][1] for i in range(8)] * 3
    assert torch.equal(train[3][0], alone[3][0])
    assert torch.equal(train[11][0], alone[3][0].flip(2))
    for subset in ("select", "val"):
        assert images.count(subset) == single.count(subset)
        assert images.fingerprint(subset) == single.fingerprint(subset)
    assert images.fingerprint("train") != single.fingerprint("train")


@pytest.mark.parametrize(("views", "augment"), [(0, False), (2, True)])
def test_views_that_cannot_be_are_refused(folder, views, augment):
    """No view at all, or views beside random ones, name their keys."""
    with pytest.raises(ValueError, match=rf"data\.views={views}, data\.augment={augment}"):
        ImageFolder(folder, 32, 32, views=views, augment=augment)
