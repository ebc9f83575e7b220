"""Detectors of other packages, with random weights: their rows become ours, and their cuts run."""

from pathlib import Path

import pytest
import torch

import bottleneck
from bottleneck import models
from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.models.suppression import objects_of

PIXELS = {"mean": [0.0] * 3, "std": [1.0] * 3, "side": 64}


def yolov5():
    package = pytest.importorskip("yolov5", reason="the library is not installed")
    from yolov5.models.yolo import DetectionModel

    return DetectionModel(str(Path(package.__file__).parent / "models" / "yolov5m.yaml"))


def yolov8():
    pytest.importorskip("ultralytics", reason="the library is not installed")
    from ultralytics.nn.tasks import DetectionModel

    return DetectionModel("yolov8n.yaml", verbose=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of other people's constructors
@pytest.mark.parametrize(
    ("rows", "make", "at"),
    [("yolov5", yolov5, "model.4"), ("yolov8", yolov8, "model.3")],  # YOLOv5m's cut is Carra and Neglia's
)
def test_rows_of_other_packages_are_ours(rows, make, at):
    """Every row is a box, with a score for each of COCO's labels; head and tail agree."""
    torch.manual_seed(0)
    network = models.wrap(make(), rows=rows, **PIXELS)
    image = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        found = network(image)
    assert found.shape[::2] == (2, 4 + 91)
    assert (found[..., 2:4] >= found[..., :2]).all()
    assert ((found[..., 4:] >= 0) & (found[..., 4:] <= 1)).all()
    net = bottleneck.split(network, at, image)
    with torch.no_grad():
        torch.testing.assert_close(net.tail(net.head(image)), found, rtol=1e-4, atol=1e-3)
    assert set(objects_of(found[0], Letterboxed(48, 64, 64))) == {"boxes", "labels", "scores"}
