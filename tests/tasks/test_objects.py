"""Objects of one image as an array of one size."""

import pytest
import torch

from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.tasks.objects import PACKED_SHAPE, pack, unpack

IMAGE = Letterboxed(480, 640, 416)


def test_objects_come_back():
    """Boxes, labels, crowds, areas and the image's size survive; an area that nobody knows is the box's."""
    objects = {"boxes": torch.tensor([[1.5, 2, 3, 4], [0, 0, 10, 20]]), "labels": torch.tensor([90, 1])}
    array = pack(objects, IMAGE)
    assert (array.shape, array.dtype) == (PACKED_SHAPE, torch.float32)
    found, image = unpack(array)
    assert image == IMAGE
    for name in objects:
        assert torch.equal(found[name], objects[name])
    assert (found["iscrowd"].tolist(), found["area"].tolist()) == ([0, 0], [3, 200])
    known = {**objects, "iscrowd": torch.tensor([0, 1]), "area": torch.tensor([7.0, 8.0])}
    found, _ = unpack(pack(known, IMAGE))
    assert (found["iscrowd"].tolist(), found["area"].tolist()) == ([0, 1], [7, 8])


def test_no_object_is_an_empty_list():
    """An image without objects has boxes of shape (0, 4)."""
    found, _ = unpack(pack({"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}, IMAGE))
    assert found["boxes"].shape == (0, 4)


def test_more_than_there_is_room_for_is_refused():
    """Nothing is left out in silence."""
    objects = {"boxes": torch.zeros(200, 4), "labels": torch.ones(200).long()}
    with pytest.raises(ValueError, match="200 objects: at most 128"):
        pack(objects, IMAGE)
