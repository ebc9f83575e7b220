"""Motion of features, on heads whose features move with the image as made."""

import pytest
import torch
from torch.nn import functional as F

from bottleneck.analyze.figures import draw_motion
from bottleneck.analyze.motion import Motion

IMAGES = (
    F.interpolate(torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0)), size=(48, 48))
    .mul(255)
    .to(torch.uint8)
)


def pooled(images):
    """A head of total stride 4 without padding."""
    return F.avg_pool2d(images.float(), 4).numpy()


def test_whole_cells_are_predicted_without_error():
    """By multiples of the stride a feature moves with its image; by fractions, nearly."""
    found = Motion.of(IMAGES, pooled, [0, 4, 6, 8], radius=2)
    assert found.cells == [0, 1, 1.5, 2]
    known = found.psnr["known"]
    assert known[0] == known[1] == known[3] == 120 > known[2]
    assert found.psnr["still"][0] == 120 > known[2] > found.psnr["still"][2]


def test_vectors_are_found_where_they_are_searched_for():
    """Vectors of the feature predict it no worse than those of the image, and both better than none."""
    psnr = Motion.of(IMAGES, pooled, [4], radius=1).psnr
    assert psnr["feature"][0] >= psnr["image"][0] > psnr["still"][0]
    assert Motion.of(IMAGES, pooled, [4], radius=0).psnr["feature"] == psnr["still"]


def test_answer_says_all_ways():
    """The line names every shift in pixels and cells, and what each way to predict reaches."""
    line = Motion.of(IMAGES, pooled, [4], radius=1).summary
    assert "4 px (1 cells) still" in line
    assert "known 120.0, image" in line
    for pixels, radius, problem in (
        ([48], 1, r"pixels=\[48\]"),
        ([], 1, r"pixels=\[\]"),
        ([4], -1, "radius=-1"),
    ):
        with pytest.raises(ValueError, match=f"motion.{problem}"):
            Motion.of(IMAGES, pooled, pixels, radius)


def test_moves_by_whole_cells_are_told_apart_in_the_picture(drawn, tmp_path):
    """They are filled, those between are hollow in the same colour, and no line joins the two."""
    draw_motion(Motion([8, 4, 16], [1.0, 0.5, 2.0], {"still": [10.0, 11.0, 12.0]}), "net", tmp_path / "m.png")
    whole, between, _ = drawn[0].axes[0].lines
    assert (whole.get_xdata().tolist(), between.get_xdata().tolist()) == ([1, 2], [0.5])
    assert (whole.get_linestyle(), between.get_linestyle()) == ("None", "None")
    assert between.get_markerfacecolor() == "none"
    assert between.get_color() == whole.get_color() == whole.get_markerfacecolor()
