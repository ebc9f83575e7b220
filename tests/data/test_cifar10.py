"""CIFAR-10 through torchvision's own files."""

import hashlib
import pickle

import numpy as np
import pytest
from torchvision import datasets

from bottleneck.data import CIFAR10


@pytest.fixture
def root(tmp_path, monkeypatch):
    """CIFAR-10 in torchvision's layout with 20 + 10 images, whose checksums torchvision is told to expect."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    random = np.random.default_rng(3)

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    def batch(name, n):
        return write(name, {"data": random.integers(0, 256, (n, 3072), np.uint8), "labels": [*range(n)]})

    monkeypatch.setattr(
        datasets.CIFAR10, "train_list", [batch("data_batch_1", 10), batch("data_batch_2", 10)]
    )
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [batch("test_batch", 10)])
    filename, md5 = write("batches.meta", {"label_names": [*"abcdefghij"]})
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": filename, "key": "label_names", "md5": md5})
    return tmp_path


def test_images_are_the_stored_pixels(root):
    """Images stay 32×32 and keep every stored pixel and label; the official test set is val."""
    data = CIFAR10(root, holdout=0)
    stored = pickle.loads((root / "cifar-10-batches-py" / "test_batch").read_bytes())
    assert data.targets("val").tolist() == list(range(10))
    for (image, label), pixels in zip(data.subset("val"), stored["data"], strict=True):
        assert label == data.targets("val")[label]
        np.testing.assert_array_equal(image.numpy(), pixels.reshape(3, 32, 32))
    assert data.targets("train").tolist() == list(range(10)) * 2


def test_description(tmp_path):
    """CIFAR-10 describes itself without being there."""
    data = CIFAR10(tmp_path / "none")
    assert (data.name, data.image_shape, data.num_classes) == ("cifar10", (3, 32, 32), 10)
    assert (data.preprocessing, data.augmented) == ({}, False)


def test_fingerprints(root, monkeypatch):
    """Fingerprints are equal for equal data, differ between subsets, and follow the data's version."""
    prints = [CIFAR10(root, holdout=0.5).fingerprint(name) for name in ("train", "select", "val")]
    assert prints == [CIFAR10(root, holdout=0.5).fingerprint(name) for name in ("train", "select", "val")]
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", "another")
    assert len({*prints, CIFAR10(root).fingerprint("val")}) == 4


def test_missing_data_are_downloaded(root, monkeypatch):
    """Preparing the data downloads them where they are missing, and only there."""
    calls = []
    monkeypatch.setattr(datasets.CIFAR10, "download", lambda self: calls.append(self.root))
    CIFAR10(root, download=False).prepare_data()
    assert calls == []
    CIFAR10(root).prepare_data()
    assert calls == [root]


def test_missing_or_damaged_data_are_refused(root, monkeypatch):
    """Missing or damaged data, or a failed download, are refused by folder and configuration key."""
    with pytest.raises(
        FileNotFoundError, match=r"data.root=.*none.*data.download=true fetches it \(now false\)"
    ):
        CIFAR10(root / "none", download=False).setup()
    (root / "cifar-10-batches-py" / "test_batch").write_bytes(b"damaged")
    with pytest.raises(FileNotFoundError, match=r"data.root=.*corrupted"):
        CIFAR10(root, download=False).setup()

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(datasets.cifar, "download_and_extract_archive", offline)
    with pytest.raises(FileNotFoundError, match=r"no route to host.*\(now true\)"):
        CIFAR10(root).prepare_data()
