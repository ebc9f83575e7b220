"""Scenes of digits: the same for everybody, true to what they say is in them."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from bottleneck.data import DetectionScenes, Digits, SemanticScenes

SMALL = {"train_scenes": 12, "val_scenes": 6}


def test_scene_depends_on_its_number_and_the_options_alone():
    """A scene is the same in every order of asking; another number, part or seed is another scene."""
    one, other = SemanticScenes(**SMALL), SemanticScenes(**SMALL)
    expected = one.scene("train", 3)
    for index in (5, 0, 3):
        scene = other.scene("train", index)
    assert all(np.array_equal(a, b) for a, b in zip(scene, expected, strict=True))
    for different in (
        one.scene("train", 4),
        one.scene("val", 3),
        SemanticScenes(**SMALL, scene_seed=1).scene("train", 3),
    ):
        assert not np.array_equal(different.image, expected.image)


def test_pixels_are_pinned():
    """Scene 0 keeps its very pixels: cached networks and features were made of them."""
    scene = SemanticScenes().scene("train", 0)
    assert scene.labels.tolist() == [1, 8, 2, 4]
    assert scene.boxes[:2].tolist() == [[8, 4, 22, 29], [42, 25, 56, 49]]
    assert int(scene.image.astype(np.int64).sum()) == pytest.approx(920372, rel=1e-3)


def test_train_and_val_are_made_of_disjoint_digits():
    """Scenes of train show digits of the classifier's train part only, those of val the 500 others only."""
    data = SemanticScenes(**SMALL)
    scans = {part: {scan.tobytes() for scan in data._digits[part][0]} for part in ("train", "val")}
    own = Digits(holdout=0)
    for part in ("train", "val"):
        assert scans[part] == {image.numpy().tobytes() for image, _ in own.subset(part)}
    assert not scans["train"] & scans["val"]


def test_masks_boxes_and_classes_agree():
    """Masks do not overlap, boxes enclose them exactly, and the semantic mask has the digits' classes."""
    data = DetectionScenes(side=[56, 80], counts=[2, 3], **SMALL)
    for index in range(12):
        scene = data.scene("train", index)
        assert 1 <= len(scene.labels) <= 3
        assert scene.masks.sum(0).max() == 1
        assert scene.masks.shape[1:] == scene.image.shape[1:] == scene.semantic.shape
        assert (scene.semantic > 0).sum() == scene.masks.sum()
        for label, (left, top, right, bottom), mask in zip(
            scene.labels, scene.boxes, scene.masks, strict=True
        ):
            assert set(scene.semantic[mask]) == {label + 1}
            inside = np.zeros_like(mask)
            inside[int(top) : int(bottom), int(left) : int(right)] = True
            assert not (mask & ~inside).any()
            edges = mask[[int(top), int(bottom) - 1]], mask[:, [int(left), int(right) - 1]].T
            assert all(line.any() for pair in edges for line in pair)


def test_ink_is_where_the_mask_is():
    """Pixels of a mask are brighter than the ground, so that a mask can be found in the image."""
    scene = SemanticScenes().scene("val", 0)
    grey = scene.image.mean(0)
    assert grey[scene.semantic > 0].mean() > grey[scene.semantic == 0].mean() + 60


def test_options_rule_what_is_composed():
    """Number, size and sides of digits and scenes lie within their ranges, and reach their ends."""
    data = DetectionScenes(side=[40, 60], counts=[1, 2], digit_sides=[16, 20], train_scenes=80, val_scenes=3)
    scenes = [data.scene("train", index) for index in range(80)]
    assert {len(scene.labels) for scene in scenes} == {1, 2}
    sides = np.array([scene.image.shape[1:] for scene in scenes])
    assert (sides.min(), sides.max()) == (40, 60)
    assert (sides[:, 0] != sides[:, 1]).any()
    assert max((scene.boxes[:, 2:] - scene.boxes[:, :2]).max() for scene in scenes) <= 20
    assert [data.count(name) for name in ("train", "select", "val")] == [72, 8, 3]


def test_segmentation_batches_are_tensors():
    """Semantic scenes come as uint8 images and masks of the stated layout."""
    data = SemanticScenes(batch_size=4, **SMALL)
    images, masks = next(iter(data.train_dataloader()))
    assert (images.dtype, tuple(images.shape)) == (torch.uint8, (4, *data.image_shape))
    assert ((4, *data.target_layout[0]), data.target_layout[1]) == (tuple(masks.shape), "uint8")
    assert masks.dtype == torch.uint8
    assert 0 < int(masks.max()) < data.num_classes


def test_detection_batches_are_lists_of_any_size():
    """Scenes of different sizes share a batch: a list of images, a list of what is in each."""
    data = DetectionScenes(side=[48, 72], batch_size=4, **SMALL)
    loader: DataLoader = data.test_dataloader()
    images, targets = next(iter(loader))
    assert len({image.shape for image in images}) > 1
    for image, target in zip(images, targets, strict=True):
        assert target["boxes"].shape == (len(target["labels"]), 4)
        assert target["masks"].shape == (len(target["labels"]), *image.shape[1:])
        assert int(target["labels"].min()) >= 1
        assert int(target["labels"].max()) <= 10


def test_fingerprint_covers_the_options():
    """Whatever changes the scenes changes the fingerprint."""
    fingerprints = [
        SemanticScenes(**{**SMALL, **options}).fingerprint("val")
        for options in ({}, {"side": 72}, {"counts": [1, 2]}, {"digit_sides": [20, 21]}, {"scene_seed": 5})
    ]
    assert len(set(fingerprints)) == 5
    assert fingerprints[0] == SemanticScenes(**SMALL).fingerprint("val")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"counts": [0, 4]}, r"data\.counts=\[0, 4\]"),
        ({"digit_sides": [30, 20]}, r"data\.digit_sides=\[30, 20\]"),
        ({"side": 20}, r"data\.side=20 has no room for a digit of 28"),
        ({"side": [64, 80]}, r"data\.side=\[64, 80\].*one side"),
    ],
)
def test_impossible_options_are_named(options, message):
    """An option that cannot be kept is refused with its key."""
    with pytest.raises(ValueError, match=message):
        SemanticScenes(**options)
