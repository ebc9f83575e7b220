"""Photographs with a picture of classes beside each, and what is said when they do not belong together."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from bottleneck.data import MaskFolder

OPTIONS = {"classes": ["sky", "road", "void"], "size": (6, 8), "void": 2, "measured": "test", "holdout": 0}


@pytest.fixture
def root(tmp_path):
    """Three photographs to train on and two to test, with masks of grey levels or of a palette."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 3), ("test", 2)):
        for folder in (part, f"{part}annot"):
            (tmp_path / "streets" / folder).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "streets" / part / f"{number}.png")
            mask = Image.fromarray(rng.integers(0, 3, (6, 8)).astype(np.uint8))
            if number == 1:
                mask = mask.convert("P")
                mask.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
            mask.save(tmp_path / "streets" / f"{part}annot" / f"{number}.png")
    return tmp_path / "streets"


def test_photographs_come_with_the_class_of_every_pixel(root):
    """Pixels and classes are the stored ones, grey levels and palettes alike; `measured` names val."""
    data = MaskFolder(root, **OPTIONS)
    assert (data.name, data.image_shape, data.num_classes) == ("streets", (3, 6, 8), 3)
    assert data.target_layout == ((6, 8), "uint8")
    assert (data.count("train"), data.count("val"), data.preprocessing) == (3, 2, {})
    for number, (image, mask) in enumerate(data.subset("val")):
        stored = np.asarray(Image.open(root / "test" / f"{number}.png"))
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), stored)
        classes = np.array(Image.open(root / "testannot" / f"{number}.png"))
        assert torch.equal(mask, torch.from_numpy(classes))
        assert mask.max() == 2


def test_files_that_are_none_of_ours_are_passed_over(root, caplog):
    """What begins with a dot is no photograph; files that are no images are counted, once for each folder."""
    for folder in ("train", "trainannot"):
        shutil.copytree(root / folder, root / folder / ".ipynb_checkpoints")
        (root / folder / "._0.png").write_text("what a Mac says of a file")
        (root / folder / "Thumbs.db").write_text("")
    (root / "train" / "notes.txt").write_text("")
    assert MaskFolder(root, **OPTIONS).count("train") == 3
    assert [record.getMessage() for record in caplog.records] == [
        f"{root / 'train'}: passed over 2 files that are no images.",
        f"{root / 'trainannot'}: passed over 1 file that is no image.",
    ]


def test_fingerprints_follow_masks(root):
    """A changed mask changes the fingerprint, of its own subset alone."""
    data = MaskFolder(root, **OPTIONS)
    before = [(data.fingerprint(name), data.contents(name)) for name in ("train", "val")]
    Image.new("L", (8, 6)).save(root / "testannot" / "0.png")
    after = [(data.fingerprint(name), data.contents(name)) for name in ("train", "val")]
    assert before[0] == after[0]
    assert not set(before[1]) & set(after[1])


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (Image.new("L", (8, 6), 3), r"0\.png has classes 3; data\.classes has numbers up to 2.*data\.void=2"),
        (Image.new("L", (8, 5)), r"0\.png has height and width \(5, 8\).*\(6, 8\).*data\.size"),
        (Image.new("RGB", (8, 6)), r"0\.png has values of uint8 .*3\).*number of each pixel's class"),
        (Image.new("I;16", (8, 6)), r"0\.png has values of uint16 .*a grey level of 8 bits"),
    ],
)
def test_masks_that_are_none_are_refused(root, mask, message):
    """Unknown classes, another size, colours and wide grey levels are named with the file and the key."""
    mask.save(root / "testannot" / "0.png")
    with pytest.raises(ValueError, match=message):
        MaskFolder(root, **OPTIONS).subset("val")[0]


def test_masks_of_two_classes_may_have_one_bit(root):
    """A black and white picture holds classes 0 and 1."""
    Image.new("1", (8, 6), 1).save(root / "testannot" / "0.png")
    assert MaskFolder(root, **OPTIONS).subset("val")[0][1].unique().tolist() == [1]


def test_damaged_masks_are_named(root):
    """A mask that is cut short is named, as photographs are."""
    file = root / "testannot" / "0.png"
    Image.effect_noise((8, 6), 50).save(file)
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"testannot/0\.png is not a readable image"):
        MaskFolder(root, **OPTIONS).subset("val")[0]


def test_missing_files_are_named(root):
    """A photograph without a mask, an empty and a missing folder are refused before anything is trained."""
    (root / "testannot" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"testannot lacks masks of test: 1\.png"):
        MaskFolder(root, **OPTIONS).setup()
    for number in range(2):
        (root / "test" / f"{number}.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"test holds no image"):
        MaskFolder(root, **OPTIONS).setup()
    with pytest.raises(FileNotFoundError, match=r"val is not a folder.*train/, trainannot/, val/"):
        MaskFolder(root, **{**OPTIONS, "measured": "val"}).setup()
    with pytest.raises(ValueError, match=r"data\.size=\[6\] is no size"):
        MaskFolder(root, **{**OPTIONS, "size": [6]})
