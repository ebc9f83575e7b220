"""COCO as it ships: what is in a photograph, as masks of VOC's classes and as instances."""

import json
import shutil

import numpy as np
import pytest
import torch

from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.data import DetectionCoco, SemanticCoco
from bottleneck.data.coco import OVERLAP, VOC_CATEGORIES, instance_mask
from bottleneck.tasks.objects import unpack

PERSON, DOG = 15, 12  # in VOC's order


@pytest.fixture
def own_folder(coco_folder, tmp_path):
    """A copy, for tests to damage."""
    return shutil.copytree(coco_folder, tmp_path / "coco")


def whole(root, **options):
    """Semantic masks at the smaller photographs' own short side, hence unscaled."""
    return SemanticCoco(root, short_side=90, crop=90, holdout=0, **options)


def test_masks_have_vocs_classes_and_leave_out_what_objects_share(coco_folder):
    """Instances are merged by category; shared pixels are 255; a category beyond VOC's 20 is background."""
    image, mask = whole(coco_folder).subset("train")[0]  # 90×120: the crop takes columns 15 to 105
    assert (image.dtype, tuple(image.shape), mask.dtype) == (torch.uint8, (3, 90, 90), torch.uint8)
    expected = np.zeros((90, 120), np.uint8)
    expected[20:70, 10:60] = PERSON
    expected[50:80, 40:70] = DOG
    expected[50:70, 40:60] = OVERLAP
    np.testing.assert_array_equal(mask.numpy(), expected[:, 15:105])


def test_crowds_are_read_from_run_lengths(coco_folder):
    """A crowd's pixels carry its class, from the columns that its run lengths name."""
    _, mask = whole(coco_folder).subset("train")[1]  # 120×90: the crop takes rows 15 to 105
    assert (mask[:, 80:] == PERSON).all()
    assert not (mask[:20, 70:80]).any()


def test_image_and_mask_are_resized_and_cropped_alike(coco_folder):
    """After resizing, bright pixels still lie where the person's mask is."""
    data = SemanticCoco(coco_folder, short_side=45, crop=41)
    image, mask = data.subset("val")[0]
    assert (tuple(image.shape), tuple(mask.shape)) == (data.image_shape, data.target_layout[0])
    red = image[0].float()
    inside = mask == PERSON
    assert red[inside].median() > 140
    assert red[mask == 0].median() < 60
    assert set(mask.unique().tolist()) == {0, DOG, PERSON, OVERLAP}


def test_photographs_with_little_that_is_labelled_are_left_out(coco_folder):
    """By default more than 1,000 labelled pixels are asked for, in both parts; kites do not count."""
    assert [whole(coco_folder).count(name) for name in ("train", "select", "val")] == [6, 0, 6]
    assert whole(coco_folder, min_area=99).count("val") == 7
    assert whole(coco_folder, min_area=100).count("val") == 6


def test_categories_are_vocs_twenty_and_background():
    """COCO's ids of the VOC classes are those of torchvision's reference training."""
    assert len(set(VOC_CATEGORIES)) == SemanticCoco.num_classes == 21
    assert (VOC_CATEGORIES[PERSON], VOC_CATEGORIES[DOG], VOC_CATEGORIES[20]) == (1, 18, 72)


def test_instances_are_as_torchvisions_detectors_take_them(coco_folder):
    """Boxes by their corners, category ids as labels, a mask each, photographs at their own size."""
    data = DetectionCoco(coco_folder, holdout=0)
    assert [data.count(name) for name in ("train", "val")] == [7, 7]
    images, targets = next(iter(data.train_dataloader()))
    assert {tuple(image.shape) for image in images} == {(3, 90, 120), (3, 120, 90)}
    image, target = data.subset("train")[1]
    assert target["boxes"].tolist() == [[10, 20, 60, 70], [40, 50, 70, 80], [0, 0, 9, 9], [80, 0, 90, 120]]
    assert target["labels"].tolist() == [1, 18, 38, 1]
    assert target["iscrowd"].tolist() == [0, 0, 0, 1]
    assert target["masks"].sum((1, 2)).tolist() == target["area"].tolist() == [2500, 900, 81, 1200]
    assert target["masks"].shape[1:] == image.shape[1:]
    assert len(targets) == len(images) == 7


def test_letterboxed_photographs_have_one_size_and_boxes_in_their_own_pixels(coco_folder):
    """Batches are tensors, of images and of packed objects; what is in a photograph is what it was."""
    data = DetectionCoco(coco_folder, letterbox=64, holdout=0, batch_size=7)
    images, targets = next(iter(data.test_dataloader()))
    assert (data.image_shape, data.preprocessing) == ((3, 64, 64), {"letterbox": 64})
    assert (images.shape, images.dtype) == ((7, 3, 64, 64), torch.uint8)
    assert (targets.shape[1:], str(targets.dtype)) == (data.target_layout[0], "torch.float32")
    plain = DetectionCoco(coco_folder, holdout=0)
    for index, packed in enumerate(targets):
        objects, image = unpack(packed)
        _, wanted = plain.subset("val")[index]
        assert image == Letterboxed(*((120, 90) if index % 2 else (90, 120)), 64)
        for name, values in objects.items():
            assert torch.equal(values, wanted[name]), name
    assert (images[0, :, 48:] == 114).all()
    assert not (images[0, :, :48] == 114).all()
    assert data.fingerprint("val") != plain.fingerprint("val")


def test_letterboxed_training_photographs_come_in_views(coco_folder):
    """All through the first view, its mirror image next, then parts that fill the square; val as it is."""
    data = DetectionCoco(coco_folder, letterbox=64, views=3, holdout=0)
    plain = DetectionCoco(coco_folder, letterbox=64, holdout=0)
    assert [data.count(name) for name in ("train", "val")] == [21, 7]
    (own, target), (mirrored, kept), (part, _) = (data.subset("train")[index] for index in (0, 7, 14))
    assert torch.equal(own, plain.subset("train")[0][0])
    assert torch.equal(target, kept)
    assert (mirrored[:, :48].flip(-1).float() - own[:, :48].float()).abs().mean() < 2
    assert (mirrored[:, 48:] == 114).all()
    assert not (part[:, 48:] == 114).any(0).all()
    assert data.fingerprint("train") != plain.fingerprint("train")
    assert data.fingerprint("val") == plain.fingerprint("val")


@pytest.mark.parametrize("options", [{"views": 0, "letterbox": 64}, {"views": 2}])
def test_views_are_of_images_whose_objects_teach_nothing(coco_folder, options):
    """No view at all, and views of photographs whose boxes a detector learns from, name their keys."""
    with pytest.raises(ValueError, match=rf"data\.views={options['views']}, data\.letterbox="):
        DetectionCoco(coco_folder, **options)


def test_annotations_without_outlines_beside_the_folders(own_folder):
    """Boxes alone are enough, and the files may lie where the folders of photographs do."""
    for part in ("train", "val"):
        file = own_folder / "annotations" / f"instances_{part}2017.json"
        content = json.loads(file.read_text())
        for annotation in content["annotations"]:
            del annotation["segmentation"]
        (own_folder / file.name).write_text(json.dumps(content))
    shutil.rmtree(own_folder / "annotations")
    _, target = DetectionCoco(own_folder, holdout=0).subset("val")[0]
    assert set(target) == {"boxes", "labels", "iscrowd", "area"}
    assert len(target["boxes"]) == 3


def test_polygons_of_one_instance_are_united():
    """An instance in two pieces has the pixels of both."""
    left, right = [0, 0, 2, 0, 2, 4, 0, 4], [6, 0, 8, 0, 8, 4, 6, 4]
    mask = instance_mask([left, right], (4, 8))
    assert mask.sum(0).tolist() == [4, 4, 0, 0, 0, 0, 4, 4]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("annotations/instances_val2017.json", r"instances_val2017\.json is missing.*data\.root"),
        ("train2017", r"train2017 is missing.*data\.root"),
        ("val2017/000000000003.jpg", r"does not have: 000000000003\.jpg"),
    ],
)
def test_missing_files_are_named(own_folder, missing, message):
    """A file that is not there is named before anything is trained, with where it should come from."""
    path = own_folder / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError, match=message):
        whole(own_folder).setup()


def test_foreign_annotations_are_named(own_folder):
    """A file that is no annotation file of COCO is reported with its path."""
    path = own_folder / "annotations" / "instances_train2017.json"
    path.write_text(json.dumps({"images": []}))
    with pytest.raises(ValueError, match=r"instances_train2017\.json is no annotation file.*annotations"):
        whole(own_folder).setup()
    path.write_text(json.dumps({"images": [], "annotations": []}))
    with pytest.raises(ValueError, match=r"names no photograph that coco_voc keeps"):
        whole(own_folder).setup()


def test_files_beside_the_photographs_are_counted(own_folder, caplog):
    """Files beside photographs that are no images are told in one line, but for what begins with a dot."""
    folder = own_folder / "val2017"
    before = DetectionCoco(own_folder, holdout=0).count("val")
    (folder / ".ipynb_checkpoints").mkdir()
    for name in (".ipynb_checkpoints/a.txt", ".DS_Store", "index.html", "README"):
        (folder / name).write_text("")
    data = DetectionCoco(own_folder, holdout=0)
    assert data.count("val") == before
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"{folder}: passed over 2 files that are no images."]


def test_fingerprint_covers_photographs_and_annotations(own_folder):
    """A changed photograph or annotation file changes the fingerprint."""
    before = whole(own_folder).fingerprint("val")
    assert whole(own_folder).fingerprint("val") == before
    annotations = own_folder / "annotations" / "instances_val2017.json"
    annotations.write_text(annotations.read_text() + " ")
    changed = whole(own_folder).fingerprint("val")
    (own_folder / "val2017" / "000000000001.jpg").touch()
    assert len({before, changed, whole(own_folder).fingerprint("val")}) == 3
