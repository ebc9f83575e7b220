"""Turning features so that channels come first, and back."""

import pytest
import torch

from bottleneck.layouts import channels_back, channels_first, shape_channels_first, shape_in_layout


@pytest.mark.parametrize(
    ("layout", "shape", "turned"),
    [
        ("CHW", (5, 3, 4), (5, 3, 4)),
        ("HWC", (3, 4, 5), (5, 3, 4)),
        ("LC", (12, 5), (5, 12)),
        ("C", (5,), (5,)),
        ("4-D", (5, 3, 4, 2), (5, 3, 4, 2)),
    ],
)
def test_channels_come_first_and_go_back(layout, shape, turned):
    """Each layout is turned as its letters say, shapes like batches, and turned back to what it was."""
    batch = torch.randn(2, *shape)
    first = channels_first(batch, layout)
    assert first.shape[1:] == turned == shape_channels_first(shape, layout)
    assert shape_in_layout(turned, layout) == shape
    assert torch.equal(channels_back(first, layout), batch)


def test_rows_stay_rows():
    """Height and width of a channels-last map keep their order."""
    batch = torch.randn(2, 3, 4, 5)
    assert torch.equal(channels_first(batch, "HWC")[:, 1, 2, 3], batch[:, 2, 3, 1])
