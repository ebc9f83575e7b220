"""Detection: losses and mean average precision."""

import pytest
import torch

from bottleneck.codecs.image_sizes import ImageSizes
from bottleneck.tasks import Detection

SIZES = ImageSizes((64, 96), ((64, 90),), ((128, 180),))


def target(*boxes, **more):
    return {
        "boxes": torch.tensor(boxes).float(),
        "labels": torch.ones(len(boxes)).long(),
        "sizes": SIZES,
        **more,
    }


def found(*boxes, scores=None, **more):
    scores = torch.linspace(0.9, 0.5, len(boxes)) if scores is None else torch.tensor(scores)
    return {
        "boxes": torch.tensor(boxes).float(),
        "labels": torch.ones(len(boxes)).long(),
        "scores": scores,
        **more,
    }


def measured(outputs, targets, **options):
    metrics = Detection(3, **options).metrics(prefix="val/")
    for output, wanted in zip(outputs, targets, strict=True):
        metrics.update([output], [wanted])
    return {name: round(float(value), 4) for name, value in metrics.compute().items()}


LEFT, RIGHT = (0, 0, 20, 20), (40, 0, 60, 20)


def test_finding_everything_is_one_and_half_is_half():
    """Exact boxes have average precision 1; with half of the objects missed it is about half."""
    assert measured([found(LEFT), found(RIGHT)], [target(LEFT), target(RIGHT)]) == {
        "val/map": 1,
        "val/map50": 1,
    }
    half = measured([found(LEFT), found((0, 50, 5, 55))], [target(LEFT), target(RIGHT)])
    assert half["val/map"] == pytest.approx(0.5, abs=0.01)


def test_looser_boxes_count_up_to_their_overlap():
    """A box with IoU 0.61 counts at three of COCO's ten thresholds, and for map50 entirely."""
    assert measured([found((0, 0, 20, 12.2))], [target(LEFT)]) == {"val/map": 0.3, "val/map50": 1}


def test_nothing_found_or_nothing_there_is_zero():
    """Empty outputs, and data without objects, give 0 instead of COCO's -1."""
    none = torch.zeros(0, 4)
    empty = {"boxes": none, "labels": torch.zeros(0).long(), "scores": torch.zeros(0)}
    assert measured([empty], [target(LEFT)])["val/map"] == 0
    assert measured([empty], [{"boxes": none, "labels": torch.zeros(0).long()}])["val/map"] == 0


def test_masks_are_judged_by_their_pixels():
    """A right box with a mask of half the pixels: full marks for the box, those of IoU 0.5 for the mask."""
    whole, half = torch.zeros(1, 64, 64), torch.zeros(1, 1, 64, 64)
    whole[:, :20, :20], half[..., :20, :10] = 1, 0.9
    values = measured([found(LEFT, masks=half)], [target(LEFT, masks=whole.byte())], masks=True)
    assert values == {"val/map": 1, "val/map50": 1, "val/mask_map": 0.1, "val/mask_map50": 1}


def test_crowds_neither_count_as_missed_nor_are_learnt_from():
    """A crowd that is not found costs nothing, and does not reach the losses."""
    crowd = torch.tensor([0, 1])
    assert measured([found(LEFT)], [target(LEFT, RIGHT, iscrowd=crowd)])["val/map"] == 1

    class Recorder:
        def losses(self, targets):
            self.seen = targets
            return {"a": torch.tensor(1.0), "b": torch.tensor(2.0)}

    output = Recorder()
    assert Detection(3).loss(output, [target(LEFT, RIGHT, iscrowd=crowd)]) == 3
    assert output.seen[0]["boxes"].tolist() == [list(LEFT)]
    assert set(output.seen[0]) == {"boxes", "labels"}


def test_sizes_travel_in_twelve_bytes_per_image():
    """Headers hold each image's sizes, and what arrives is what the tail takes for the batch."""
    task = Detection(3)
    headers = task.headers([target(LEFT), target(RIGHT)])
    assert [len(header) for header in headers] == [12, 12]
    assert task.sizes(headers) == {"image_sizes": ImageSizes((64, 96), ((64, 90),) * 2, ((128, 180),) * 2)}


def test_targets_without_sizes_are_refused():
    """Where no head has seen the images, as with trainable=all, the message says what to use."""
    with pytest.raises(ValueError, match="trainable=bottleneck"):
        Detection(3).headers([{"boxes": torch.zeros(0, 4)}])


def test_networks_that_detect_nothing_are_refused():
    """Logits, and boxes without masks where masks are judged, are answered with the cure."""
    with pytest.raises(ValueError, match="torchvision's detectors"):
        Detection(3).check_output(torch.zeros(1, 3), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"task\.masks=false"):
        Detection(3, masks=True).check_output([found(LEFT)], torch.zeros(1, 3, 8, 8))
