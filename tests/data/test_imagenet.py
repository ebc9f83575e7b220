"""Imagenette and ImageNet: the right classes, in the right order."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from bottleneck.data import ImageNet, Imagenette, imagenet
from bottleneck.data.imagenet import IMAGENETTE_WNIDS


def write(root: Path, names: list[str]) -> Path:
    """Write one tiny image of every class into train and val."""
    for part in ("train", "val"):
        for name in names:
            (root / part / name).mkdir(parents=True)
            Image.new("RGB", (9, 8)).save(root / part / name / "a.JPEG")
    return root


def test_imagenette_folder(tmp_path):
    """A folder of the ten WordNet ids is Imagenette, labelled in their order."""
    data = Imagenette(write(tmp_path, IMAGENETTE_WNIDS), short_side=8, crop=8)
    assert (data.name, data.num_classes) == ("imagenette", 10)
    assert tuple(data.classes) == IMAGENETTE_WNIDS
    assert data.targets("val").tolist() == list(range(10))


def test_imagenette_ids_are_torchvisions():
    """The ten WordNet ids are those that torchvision knows, in folder order."""
    assert list(IMAGENETTE_WNIDS) == sorted(datasets.Imagenette._WNID_TO_CLASS)


def test_foreign_folder_is_not_imagenette(tmp_path):
    """Other class folders are refused with the classes that are missing and those that do not belong."""
    write(tmp_path, [*IMAGENETTE_WNIDS[:9], "cat"])
    with pytest.raises(
        ValueError, match=r"missing classes: n03888257; foreign classes: cat\. data.root=.*data=imagefolder"
    ):
        Imagenette(tmp_path).setup()


def test_missing_imagenette_says_how_to_make_it(tmp_path):
    """Without data and download, the error names the folder, the ten classes and where to get them."""
    with pytest.raises(
        FileNotFoundError, match=r"data.root=.*none should hold .*n01440764.*fastai/imagenette.*\(now false\)"
    ):
        Imagenette(tmp_path / "none", download=False).setup()


def test_imagenette_is_downloaded_where_it_is_missing(tmp_path, monkeypatch):
    """Missing data are downloaded once, into the root, and are found there without download from then on."""
    calls = []

    def fetch(url, root, extract_root, md5):
        calls.append((url, md5))
        write(Path(extract_root) / "imagenette2-320", IMAGENETTE_WNIDS)

    monkeypatch.setattr(imagenet, "download_and_extract_archive", fetch)
    for download in (True, True, False):
        data = Imagenette(tmp_path, download=download)
        data.prepare_data()
        assert len(data.subset("val")) == 10
    assert calls == [datasets.Imagenette._ARCHIVES["320px"]]  # torchvision's own, as is its checksum


def test_killed_unpacking_is_begun_anew(tmp_path, monkeypatch):
    """What a killed process had unpacked is never taken for the whole data set."""

    def killed(url, root, extract_root, md5):
        write(Path(extract_root) / "imagenette2-320", IMAGENETTE_WNIDS[:3])
        raise KeyboardInterrupt

    monkeypatch.setattr(imagenet, "download_and_extract_archive", killed)
    with pytest.raises(KeyboardInterrupt):
        Imagenette(tmp_path).prepare_data()
    with pytest.raises(FileNotFoundError, match="should hold train"):
        Imagenette(tmp_path, download=False).setup()

    def fetch(url, root, extract_root, md5):
        write(Path(extract_root) / "imagenette2-320", IMAGENETTE_WNIDS)

    monkeypatch.setattr(imagenet, "download_and_extract_archive", fetch)
    assert len(Imagenette(tmp_path).subset("val")) == 10
    assert [entry.name for entry in tmp_path.iterdir()] == ["imagenette2-320"]


def test_existing_imagenette_is_not_downloaded(tmp_path, monkeypatch):
    """Where the root holds train or val, nothing is downloaded."""
    monkeypatch.setattr(imagenet, "download_and_extract_archive", pytest.fail)
    Imagenette(write(tmp_path, IMAGENETTE_WNIDS)).prepare_data()


def test_failed_download_says_how_to_make_it(tmp_path, monkeypatch):
    """A download that fails is reported with its cause and with how the folder should look."""

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(imagenet, "download_and_extract_archive", offline)
    with pytest.raises(FileNotFoundError, match=r"downloaded \(no route to host\)\. data.root=.*n01440764"):
        Imagenette(tmp_path).prepare_data()


def test_imagenet_has_1000_classes(tmp_path):
    """A folder of 1,000 classes is taken as ImageNet; any other number is refused with that number."""
    for part in ("train", "val"):
        for i in range(1000):
            (tmp_path / part / f"n{i:08}").mkdir(parents=True)
    data = ImageNet(tmp_path)
    assert (data.name, data.num_classes, data.image_shape) == ("imagenet", 1000, (3, 224, 224))
    for part in ("train", "val"):
        (tmp_path / part / "n00000007").rmdir()
    with pytest.raises(ValueError, match=r"has 999 class folders, ImageNet has 1000\. .*data.root"):
        ImageNet(tmp_path).setup()


def test_real_imagenette_passes_unchanged(data_at_hand):
    """The 4,000 + 1,000 photographs at hand, 224×224, reach the network exactly as Pillow decodes them."""
    root = data_at_hand / "imagenette"
    data = Imagenette(root, short_side=224)
    assert [len(data.subset(name)) for name in ("train", "select", "val")] == [3600, 400, 1000]
    val = data.subset("val")
    files = sorted(root.glob("val/*/*.JPEG"))
    for position in range(0, 1000, 50):
        image, label = val[position]
        assert label == IMAGENETTE_WNIDS.index(files[position].parent.name)
        stored = Image.open(files[position]).convert("RGB")  # some are grey
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), np.asarray(stored))
