"""Layouts: turning channels first and back again is the identity, and a layout is its name."""

import json

import pytest
import torch

from bottleneck.layouts import Layout


@pytest.mark.parametrize(
    ("name", "shape", "turned"),
    [
        ("CHW", (5, 3, 4), (5, 3, 4)),
        ("HWC", (3, 4, 5), (5, 3, 4)),
        ("LC", (7, 5), (5, 7)),
        ("C", (9,), (9,)),
        ("4-D", (2, 3, 4, 5), (2, 3, 4, 5)),
    ],
)
def test_channels_come_first_and_go_back(name, shape, turned):
    """Tensors and shapes agree on where channels are, and both find their way back."""
    layout = Layout(name)
    batch = torch.arange(2.0 * torch.Size(shape).numel()).reshape(2, *shape)
    first = layout.channels_first(batch)
    assert first.shape[1:] == turned == layout.shape_channels_first(shape)
    assert layout.shape_back(turned) == shape
    assert torch.equal(layout.channels_back(first), batch)
    assert batch.shape[layout.channel_axis] == turned[0]


def test_channels_last_maps_keep_their_rows():
    """Height stays in front of width."""
    batch = torch.randn(2, 3, 4, 5)
    assert torch.equal(Layout("HWC").channels_first(batch)[:, 1, 2, 3], batch[:, 2, 3, 1])


def test_a_layout_is_its_name():
    """Files and configurations hold a layout as the string that it is."""
    assert json.loads(json.dumps({"layout": Layout("HWC")})) == {"layout": "HWC"}
    assert Layout("LC") == "LC"
