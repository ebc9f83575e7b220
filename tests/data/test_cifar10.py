"""CIFAR-10 through torchvision's own files, and through ConvNetJS's pictures."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
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


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures 1, 2 and 51 in ConvNetJS's layout, and the labels of all that there could be."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(4)
    for number in (1, 2, 51):
        pixels = random.integers(0, 256, (1000, 1024, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"cifar10_batch_{number}.png", compress_level=1)
    labels = random.integers(0, 10, 52_000)
    (folder / "cifar10_labels.js").write_text(f"var labels={labels.tolist()};\n")
    return folder, labels


def test_rows_of_pictures_are_images(pictures):
    """A row is an image, its label stands at its number; pictures from 50 on are val, the others train."""
    folder, labels = pictures
    data = CIFAR10(folder, download=False, holdout=0)
    assert data.targets("train").tolist() == labels[1000:3000].tolist()
    assert data.targets("val").tolist() == labels[51_000:].tolist()
    stored = np.asarray(Image.open(folder / "cifar10_batch_2.png"))
    image, label = data.subset("train")[1007]
    np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), stored[7].reshape(32, 32, 3))
    assert label == labels[2007]


def test_fingerprints_follow_the_pixels_of_pictures(pictures, tmp_path):
    """The same pixels have the same fingerprint wherever they lie, other pixels another one."""
    folder, _ = pictures
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert CIFAR10(tmp_path).fingerprint("val") == CIFAR10(folder).fingerprint("val")
    changed = np.asarray(Image.open(folder / "cifar10_batch_51.png")).copy()
    changed[0, 0] ^= 1
    Image.fromarray(changed).save(tmp_path / "cifar10_batch_51.png", compress_level=1)
    assert CIFAR10(tmp_path).fingerprint("val") != CIFAR10(folder).fingerprint("val")


def test_wrong_pictures_are_refused(tmp_path):
    """Missing pictures, pictures of another size and too few labels are named with what would be right."""
    (tmp_path / "cifar10_labels.js").write_text("var labels=[6, 9];")
    with pytest.raises(FileNotFoundError, match=r"no cifar10_batch_K\.png with K of 50 or more"):
        CIFAR10(tmp_path).subset("val")
    Image.new("RGB", (1024, 999)).save(tmp_path / "cifar10_batch_50.png")
    with pytest.raises(ValueError, match=r"cifar10_labels\.js .*at least 51000 classes 0 to 9; it has 2"):
        CIFAR10(tmp_path).subset("val")
    (tmp_path / "cifar10_labels.js").write_text(f"var labels={[3] * 60_000};")
    with pytest.raises(ValueError, match=r"cifar10_batch_50\.png has 1024×999 pixels.*1024×1000"):
        CIFAR10(tmp_path).subset("val")


def test_views_are_of_training_images_alone(root):
    """With views an epoch has each image and its mirror; val stays as it is."""
    data, plain = CIFAR10(root, holdout=0, views=2), CIFAR10(root, holdout=0)
    assert (data.count("train"), data.count("val")) == (40, 10)
    assert torch.equal(data.subset("train")[23][0], plain.subset("train")[3][0].flip(2))
    assert data.fingerprint("val") == plain.fingerprint("val")
    with pytest.raises(ValueError, match=r"data\.views=0"):
        CIFAR10(root, views=0)
