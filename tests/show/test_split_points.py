"""The picture of a network's cuts."""

import torch
from PIL import Image
from torch import nn

import bottleneck
from bottleneck.show.split_points import draw_sizes


def test_many_cuts_make_a_long_picture_not_a_wide_one(tmp_path):
    """Each cut has a line for its name, so that sixty can be read on a page as wide as four take."""
    sizes = []
    for count in (4, 60):
        network = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(count))).eval()
        points = bottleneck.split_points(network, torch.zeros(1, 3, 8, 8))
        draw_sizes(points, "net", tmp_path / "cuts.png")
        with Image.open(tmp_path / "cuts.png") as picture:
            sizes.append(picture.size)
    (narrow, short), (wide, long) = sizes
    assert narrow == wide
    assert long - short > 50 * 20  # pixels
