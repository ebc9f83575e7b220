"""Rows of single-stage detectors: whatever the format, corners in pixels and a score for each label."""

import pytest
import torch

from bottleneck.models.rows import COCO_LABELS, FORMATS, Rows

#: Two boxes by their corners, with scores of two classes that are products of an objectness and a class.
CORNERS = torch.tensor([[[10.0, 20, 30, 60], [0, 0, 8, 8]]])
OBJECTNESS, CLASSES = torch.tensor([[[0.5], [1.0]]]), torch.tensor([[[0.5, 1.0], [0.25, 0.0]]])
CENTRES = torch.cat(((CORNERS[..., :2] + CORNERS[..., 2:]) / 2, CORNERS[..., 2:] - CORNERS[..., :2]), -1)
SCORES = OBJECTNESS * CLASSES
WRITTEN = {
    "yolov5": (torch.cat((CENTRES, OBJECTNESS, CLASSES), -1), ["levels"]),
    "yolov8": (torch.cat((CENTRES, SCORES), -1).transpose(1, 2), {"boxes": "levels"}),
    "corners": torch.cat((CORNERS, SCORES), -1),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_every_format_says_the_same(name):
    """Boxes by centre or corners, along either axis, with an objectness or without, in a tuple or alone."""
    found = Rows(name)(WRITTEN[name])
    torch.testing.assert_close(found, torch.cat((CORNERS, torch.zeros(1, 2, 1), SCORES), -1))


def test_every_format_is_tried():
    """The one above, and cells below."""
    assert set(WRITTEN) | {"yolox"} == set(FORMATS)


def test_cells_are_those_of_three_strides_line_by_line():
    """A row of zeros is its cell's corner with a box of the stride; offsets count in sides of the cell."""
    rows = torch.zeros(1, 8 * 4 + 8 + 2, 7)  # no square
    with pytest.raises(ValueError, match=r"42 rows .*data\.letterbox"):
        Rows("yolox")(rows)
    rows = torch.zeros(2, 64 + 16 + 4, 6)  # 64×64
    rows[:, 9, :2] = 0.5
    rows[1, 81, 2:4] = torch.tensor([2.0, 0.5]).log()
    rows[1, 0, 2] = 1000
    found = Rows("yolox")(rows)[..., :4]
    centres, sides = (found[..., :2] + found[..., 2:]) / 2, found[..., 2:] - found[..., :2]
    assert centres[0, [0, 1, 8, 9, 64, 65, 80, 81, 83]].tolist() == [
        [0, 0], [8, 0], [0, 8], [12, 12], [0, 0], [16, 0], [0, 0], [32, 0], [32, 32]
    ]  # fmt: skip
    assert sides[0, [63, 64, 83]].tolist() == [[8, 8], [16, 16], [32, 32]]
    torch.testing.assert_close(sides[1, 81], torch.tensor([64.0, 16.0]))
    assert found.isfinite().all()


def test_labels_are_the_data_sets_numbers():
    """A class's score is in its label's column; the ground's, and those of labels without a class, are 0."""
    found = Rows("corners", labels=[4, 2])(WRITTEN["corners"])[..., 4:]
    expected = torch.zeros(1, 2, 5)
    expected[..., 4], expected[..., 2] = SCORES[..., 0], SCORES[..., 1]
    torch.testing.assert_close(found, expected)
    assert Rows("yolov5")(torch.zeros(1, 3, 5 + 80)).shape == (1, 3, 4 + 91)
    assert (len(set(COCO_LABELS)), COCO_LABELS[0], COCO_LABELS[11], COCO_LABELS[-1]) == (80, 1, 13, 90)


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("yolo5", None, r"model\.rows='yolo5' is unknown.*'yolov5'"),
        ("yolox", [1, 1], r"model\.labels=\[1, 1\] must be different numbers from 1 on"),
        ("yolox", [0, 1], r"model\.labels=\[0, 1\] must be"),
    ],
)
def test_unknown_formats_and_labels_are_refused(name, labels, message):
    """With the key, and what it may be."""
    with pytest.raises(ValueError, match=message):
        Rows(name, labels)


def test_as_many_labels_as_classes():
    """A list of labels for another network is refused when its rows are seen."""
    with pytest.raises(ValueError, match=r"model\.labels names 3 classes, the network tells 2 apart"):
        Rows("corners", [1, 2, 3])(WRITTEN["corners"])
