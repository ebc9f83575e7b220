"""The embedded digits: offline, the same split for ever."""

import numpy as np
from sklearn.datasets import load_digits

from bottleneck.data import Digits


def test_split_is_fixed():
    """Val is one stratified draw of 500 digits for good; the other 1,297 are the official train part."""
    data = Digits(holdout=0)
    assert (len(data.subset("train")), len(data.subset("val"))) == (1297, 500)
    shares = np.bincount(data.targets("val")) / np.bincount(load_digits().target)
    assert np.abs(shares - 500 / 1797).max() < 0.005
    assert data.targets("val")[:20].tolist() == [3, 1, 2, 3, 4, 8, 1, 3, 4, 6, 7, 8, 9, 5, 9, 7, 3, 5, 0, 2]


def test_every_scan_is_used_once_with_its_own_pixels():
    """Train and val together are scikit-learn's 1,797 scans, with its labels and pixels, 0 to 16."""
    data = Digits(holdout=0)
    samples = [
        (image.flatten().tolist(), label) for name in ("train", "val") for image, label in data.subset(name)
    ]
    digits = load_digits()
    assert sorted(samples) == sorted(
        zip(digits.data.astype(int).tolist(), digits.target.tolist(), strict=True)
    )


def test_description():
    """Digits are 1×8×8 in ten classes, not resized and not augmented."""
    data = Digits()
    assert (data.name, data.image_shape, data.num_classes) == ("digits", (1, 8, 8), 10)
    assert (data.preprocessing, data.augmented) == ({}, False)


def test_fingerprint_covers_the_pixels():
    """One changed pixel changes the fingerprint."""
    data = Digits()
    before = data.fingerprint("val")
    data._parts["val"].images[0][0][0, 4, 4] += 1
    assert data.fingerprint("val") != before
