"""Rows to objects: the likely ones, of boxes for one object the surest, in pixels of the image."""

import pytest
import torch

from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.models.suppression import objects_of

IMAGE = Letterboxed(50, 100, 200)  # twice as large in its letterbox


def rows(*found):
    """Rows of three labels, from boxes and scores."""
    return torch.tensor([[*box, *scores] for box, scores in found]).float()


def test_boxes_are_in_the_images_pixels_and_inside_of_it():
    """Rescaled by what the letterbox made larger, and cut where they reach into its grey."""
    found = objects_of(rows(((20, 40, 60, 80), (0, 0.9, 0)), ((-10, 60, 300, 150), (0, 0, 0.4))), IMAGE)
    assert found["boxes"].tolist() == [[10, 20, 30, 40], [0, 30, 100, 50]]
    assert found["labels"].tolist() == [1, 2]
    assert found["scores"].tolist() == pytest.approx([0.9, 0.4])


def test_of_boxes_of_one_label_the_surest_is_kept():
    """Those that overlap it by more than is allowed go; other labels in the same place stay."""
    box, near = (0, 0, 100, 100), (0, 0, 100, 80)
    both = rows((near, (0, 0.5, 0.1)), (box, (0, 0.8, 0)))
    assert objects_of(both, IMAGE)["scores"].tolist() == pytest.approx([0.8, 0.1])
    assert len(objects_of(both, IMAGE, overlap=0.85)["scores"]) == 3
    assert objects_of(both, IMAGE, min_score=0.2)["labels"].tolist() == [1]
    assert objects_of(both, IMAGE, overlap=0.85, most=1)["scores"].tolist() == pytest.approx([0.8])


def test_nothing_likely_is_nothing_found():
    """Rows without a score give empty tensors of the right shapes."""
    found = objects_of(rows(((0, 0, 9, 9), (0, 0, 0))), IMAGE)
    assert (found["boxes"].shape, len(found["labels"]), len(found["scores"])) == ((0, 4), 0, 0)


def test_network_that_is_sure_of_everything_is_answered_in_time():
    """Of 360,000 likely pairs the surest are looked at."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(4000, 2, generator=generator) * 150
    scores = torch.rand(4000, 90, generator=generator)
    found = objects_of(torch.cat((corner, corner + 20, scores), 1), IMAGE)
    assert len(found["scores"]) == 100
    assert found["scores"][0] == scores.max()
