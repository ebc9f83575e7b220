"""Class folders of photographs, and what is said when they are wrong."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from bottleneck.data import ImageFolder
from bottleneck.preprocess import preprocess

SIZES = {"short_side": 16, "crop": 12}


def write(path, height=20, width=24, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def root(tmp_path):
    """Two classes of four photographs to train on and two to validate, PNG and JPEG, upright and wide."""
    root = tmp_path / "photos"
    for label in ("2", "10"):
        for i in range(4):
            write(root / "train" / label / f"{i}.png", 20 + i, 24 - i)
        write(root / "val" / label / "a.JPEG")
        write(root / "val" / label / "b.png", 30, 17)
    (root / "train" / "2" / "notes.txt").write_text("not an image")
    return root


def test_samples_are_the_files_preprocessed(root):
    """Every file is one sample, by class and then by name, resized and cropped as `preprocess` does it."""
    data = ImageFolder(root, **SIZES, holdout=0)
    files = [root / "val" / label / name for label in ("10", "2") for name in ("a.JPEG", "b.png")]
    for (image, label), path, expected in zip(data.subset("val"), files, [0, 0, 1, 1], strict=True):
        assert torch.equal(image, preprocess(**SIZES)(Image.open(path)))
        assert tuple(image.shape) == data.image_shape == (3, 12, 12)
        assert label == expected
    assert data.targets("train").tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_classes_are_numbered_by_folder_name(root):
    """Labels follow the folder names as text, as torchvision numbers them."""
    data = ImageFolder(root)
    assert data.classes == ["10", "2"]
    assert data.num_classes == 2


def test_right_size_files_pass_unchanged(root):
    """A lossless file that has the right size already reaches the network bit for bit."""
    write(root / "val" / "2" / "c.png", 12, 12)
    image, _ = ImageFolder(root, short_side=12, crop=12).subset("val")[-1]
    stored = np.asarray(Image.open(root / "val" / "2" / "c.png"))
    np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), stored)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA"])
def test_other_modes_become_rgb(root, mode):
    """Grey, palette and transparent files come out as RGB."""
    write(root / "val" / "2" / "c.png", 12, 12, mode)
    image, _ = ImageFolder(root, short_side=12, crop=12).subset("val")[-1]
    stored = np.asarray(Image.open(root / "val" / "2" / "c.png").convert("RGB"))
    np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), stored)


def test_description_needs_no_data(tmp_path):
    """Sizes, name and preprocessing are known on a machine without the data; the name is the folder's."""
    data = ImageFolder(tmp_path / "birds")
    assert (data.name, data.image_shape, data.augmented) == ("birds", (3, 224, 224), False)
    assert data.preprocessing == {"short_side": 256, "crop": 224}


@pytest.mark.filterwarnings(
    "ignore:.*multi-threaded:DeprecationWarning"
)  # Python 3.12 on any fork after torch
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # where one core is visible
def test_workers_decode_the_same(root):
    """Worker processes yield the same batches as the main process."""
    alone, helped = (ImageFolder(root, **SIZES, num_workers=n, batch_size=3) for n in (0, 2))
    for expected, got in zip(alone.test_dataloader(), helped.test_dataloader(), strict=True):
        assert torch.equal(expected[0], got[0])
        assert torch.equal(expected[1], got[1])


def test_augmentation_is_for_train_only(root):
    """With ``augment``, train differs from draw to draw, in the right size; select and val stay."""
    plain, augmented = (ImageFolder(root, **SIZES, holdout=0.25, augment=flag) for flag in (False, True))
    assert (plain.augmented, augmented.augmented) == (False, True)
    train = augmented.subset("train")
    draws = [train[0][0] for _ in range(3)]
    assert {tuple(draw.shape) for draw in draws} == {(3, 12, 12)}
    assert draws[0].dtype == torch.uint8
    assert not (torch.equal(draws[0], draws[1]) and torch.equal(draws[1], draws[2]))
    assert augmented.fingerprint("train") != plain.fingerprint("train")
    for name in ("select", "val"):
        assert augmented.fingerprint(name) == plain.fingerprint(name)
        assert all(
            torch.equal(a, b)
            for (a, _), (b, _) in zip(augmented.subset(name), plain.subset(name), strict=True)
        )


def test_fingerprint_is_the_files(root):
    """The same folder has the same fingerprint; other sizes, or a moved folder, have another."""
    before = ImageFolder(root, **SIZES).fingerprint("val")
    assert ImageFolder(str(root), **SIZES).fingerprint("val") == before
    assert ImageFolder(root, short_side=16, crop=10).fingerprint("val") != before
    moved = shutil.copytree(root, root.parent / "copy")
    assert ImageFolder(moved, **SIZES).fingerprint("val") != before


def test_contents_are_equal_on_machines_with_the_same_images(root):
    """A copy elsewhere, written at another time, has the same contents; another image has not."""
    before = ImageFolder(root, **SIZES).contents("val")
    copy = shutil.copytree(root, root.parent / "copy", copy_function=shutil.copyfile)
    assert ImageFolder(copy, **SIZES).contents("val") == before
    assert ImageFolder(copy, short_side=16, crop=10).contents("val") != before
    path = copy / "val" / "2" / "b.png"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert ImageFolder(copy, **SIZES).contents("val") != before


@pytest.mark.parametrize("change", ["touch", "grow", "rename", "add", "remove"])
def test_fingerprint_changes_with_a_file(root, change):
    """Touching, growing, renaming, adding or removing a file changes its subset's fingerprint, no other's."""
    before = ImageFolder(root, **SIZES).fingerprint("val")
    train = ImageFolder(root, **SIZES).fingerprint("train")
    path = root / "val" / "2" / "b.png"
    status = path.stat()
    if change == "touch":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    elif change == "grow":
        path.write_bytes(path.read_bytes() + b"\0")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "rename":
        path.rename(path.with_name("c.png"))
    elif change == "add":
        write(root / "val" / "2" / "c.png")
    else:
        path.unlink()
    assert ImageFolder(root, **SIZES).fingerprint("val") != before
    assert ImageFolder(root, **SIZES).fingerprint("train") == train


def test_fingerprint_notices_a_change_during_a_run(root):
    """A file that changes after the folder was read changes the fingerprint, too."""
    data = ImageFolder(root, **SIZES)
    before = data.fingerprint("val")
    write(root / "val" / "2" / "b.png", 40, 40)
    assert data.fingerprint("val") != before


def test_names_may_be_in_any_encoding(root):
    """A name that is no UTF-8, as older archives leave it, counts as any other."""
    file = os.fsdecode(os.fsencode(root / "val" / "2") + b"/caf\xe9.png")
    Image.new("RGB", (20, 20)).save(file)
    data = ImageFolder(root, **SIZES)
    assert data.count("val") == 5
    assert len(data.fingerprint("val")) == len(data.contents("val")) == 64


@pytest.mark.parametrize("gone", [".", "train", "val"])
def test_missing_folders_are_refused(root, gone):
    """A missing folder is named, with the configuration key and the right layout."""
    shutil.rmtree(root / gone)
    with pytest.raises(
        FileNotFoundError, match=r"photos/(train|val) is not a folder. data.root=.*train/<class>/"
    ):
        ImageFolder(root).setup()


def test_folder_without_classes_is_refused(root):
    """A folder of images without class folders is named, with the configuration key and the right layout."""
    shutil.rmtree(root / "val")
    write(root / "val" / "a.png")
    with pytest.raises(FileNotFoundError, match=r"photos/val holds no class folder. data.root="):
        ImageFolder(root).setup()


def test_empty_class_is_refused(root):
    """A class without an image is named, with its folder and the configuration key."""
    shutil.rmtree(root / "train" / "2")
    (root / "train" / "2").mkdir()
    with pytest.raises(ValueError, match=r"no image in .*photos/train for: 2\. .*data.root"):
        ImageFolder(root).setup()


def test_different_classes_are_refused(root):
    """Class folders that train and val do not share are named, the first ten of many."""
    for i in range(12):
        write(root / "train" / f"cat{i:02}" / "a.png")
    (root / "val" / "2").rename(root / "val" / "dog")
    with pytest.raises(
        ValueError, match=r"only in train: 2, cat00, .*, cat08 and 3 more; only in val: dog\. .*data.root"
    ):
        ImageFolder(root).setup()


def test_unreadable_images_are_refused(root):
    """A file that is no image, is cut short, or would be clipped to 8 bits is named when it is loaded."""
    whole = (root / "val" / "2" / "a.JPEG").read_bytes()
    (root / "val" / "10" / "a.JPEG").write_bytes(b"not an image")
    (root / "val" / "10" / "b.png").write_bytes((root / "val" / "2" / "b.png").read_bytes()[:900])
    (root / "val" / "2" / "a.JPEG").write_bytes(whole[: len(whole) // 2])
    Image.new("I;16", (20, 20)).save(root / "val" / "2" / "b.png")
    val = ImageFolder(root, **SIZES).subset("val")
    for position, name in enumerate(["10/a.JPEG", "10/b.png", "2/a.JPEG", "2/b.png"]):
        with pytest.raises(ValueError, match=f"val/{name} is not a readable image .*Replace or remove it"):
            val[position]


def test_impossible_crop_is_refused(tmp_path):
    """A crop that does not fit is refused at construction, before any data are needed."""
    with pytest.raises(ValueError, match=r"data.crop=224 does not fit into data.short_side=160"):
        ImageFolder(tmp_path, short_side=160)


def test_folders_and_files_that_are_none_of_ours_are_passed_over(root, caplog):
    """What begins with a dot is no class and no image; files that are no images are counted once."""
    first = sorted(folder for folder in (root / "train").iterdir() if folder.is_dir())[0]
    for folder in (root / "train" / ".ipynb_checkpoints", first / ".ipynb_checkpoints"):
        folder.mkdir()
        (folder / "a.txt").write_text("")
        write(folder / "copy.png")
    (first / "._0.png").write_text("what a Mac says of a file")
    (first / "notes.txt").write_text("")
    (first / "Thumbs.db").write_text("")
    data = ImageFolder(root, short_side=12, crop=8, holdout=0)
    data.setup()
    assert ".ipynb_checkpoints" not in data.classes
    assert data.count("train") == 8
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"{root / 'train'}: passed over 3 files that are no images."]
