"""`benchmarks/widened.py` does on little what it says it does."""

import numpy as np
from PIL import Image

from bottleneck.data import DetectionCoco


def test_widened_adds_pictures_without_boxes(run, coco_folder, tmp_path):
    """The data set reads all of it: its own several times, four others as one, and the same to judge by."""
    for number in range(9):
        image = Image.fromarray(np.full((20, 30, 3), 10 * number, np.uint8))
        (tmp_path / "more" / str(number % 2)).mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "more" / str(number % 2) / f"{number}.png")
    assert "2 of four in one" in run(
        "widened", coco_folder, tmp_path / "more", tmp_path / "wide", "--times", 3
    )
    folders = coco_folder, tmp_path / "wide"
    plain, wide = (DetectionCoco(folder, letterbox=64, holdout=0) for folder in folders)
    for data in (plain, wide):
        data.setup()
    assert wide.count("train") == 3 * plain.count("train") + 2
    assert wide.count("val") == plain.count("val")
    image, _ = wide.subset("train")[wide.count("train") - 1]
    assert image.shape == (3, 64, 64)
