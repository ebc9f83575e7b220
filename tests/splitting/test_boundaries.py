"""What really has to be sent behind each stage."""

import pytest
import torch
import torchvision
from torch import nn

from bottleneck import models
from bottleneck.splitting import boundaries, first_useful, split_points
from bottleneck.splitting.graph import trace

# Matsubara and Levorato at 3×800×800: own ratio, what must be sent, parameters without norms so far.
RCNN = {
    "conv1": (5.333, 5.333, 9_408),
    "bn1": (5.333, 5.333, 9_408),
    "relu": (5.333, 5.333, 9_408),
    "maxpool": (1.333, 1.333, 9_408),
    "layer1": (5.333, 5.333, 222_400),
    "layer2": (2.667, 8.000, 1_434_816),
    "layer3": (1.333, 9.333, 8_512_704),
    "layer4": (0.667, 10.000, 23_454_912),
    "fpn": (7.106, 7.106, 26_799_296),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "total"), [("fasterrcnn_resnet50_fpn", 41_755_286), ("maskrcnn_resnet50_fpn", 44_401_393)]
)
def test_profile_of_the_rcnns_is_the_published_one(name, total):
    """Tables 1.2 and 1.3 of the spec hold to the last digit for torchvision's R-CNNs at 800×800."""
    # No number here depends on how many boxes of noise are looked at.
    model = models.create(name, rpn_post_nms_top_n_test=10, box_detections_per_img=1)
    traced = trace(model, torch.zeros(1, 3, 800, 800, dtype=torch.uint8))
    found = {stage.name: stage for stage in boundaries(traced)}
    for stage, (own, live, params) in RCNN.items():
        assert round(found[stage].own_ratio, 3) == own
        assert round(found[stage].live_ratio, 3) == live
        assert found[stage].params == params
    assert found["layer4"].live == ("layer1", "layer2", "layer3", "layer4")
    assert [stage for stage in found if stage in RCNN and found[stage].closed] == list(RCNN)[:5]
    assert found["rpn"].params == 27_393_231
    assert found["roi_heads"].params == total


class TwoReaders(nn.Module):
    """A stage whose output the last one reads again."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6))
        self.second = nn.Conv2d(6, 3, 1, stride=2)
        self.last = nn.Conv2d(9, 1, 1)

    def forward(self, x):
        x = self.first(x)
        y = self.second(x)
        return self.last(torch.cat([x[..., ::2, ::2], y], 1))


def test_what_others_still_read_must_be_sent():
    """Behind a stage that a later one bypasses, both outputs cross; the stage alone tells too little."""
    stages = {s.name: s for s in boundaries(trace(TwoReaders().eval(), torch.zeros(2, 3, 8, 8)))}
    assert (stages["first"].own_ratio, stages["first"].live_ratio, stages["first"].closed) == (2, 2, True)
    assert (stages["second"].own_ratio, stages["second"].closed) == (0.25, False)
    assert stages["second"].live == ("first", "second")
    assert stages["second"].live_ratio == 2.25
    assert stages["second"].params == 4 * 6 + 7 * 3  # convolutions with their biases, without the norm's 12


def test_depth_names_finer_stages():
    """Depth 2 shows the blocks within the layers, in running order."""
    traced = trace(torchvision.models.resnet18().eval(), torch.zeros(1, 3, 64, 64))
    names = [stage.name for stage in boundaries(traced, depth=2)]
    assert names.index("layer1.0") < names.index("layer1") < names.index("layer2.0")
    assert "layer1.0" not in [stage.name for stage in boundaries(traced)]


def test_first_useful_split_is_the_earliest_below_the_ratio():
    """A classifier has useful cuts late; a stricter ratio finds a later one, an impossible one none."""
    points = split_points(torchvision.models.resnet18(), torch.zeros(1, 3, 224, 224))
    first = first_useful(points)
    assert first is not None
    assert first.name == "layer2.0"
    smaller = first_useful(points, 0.2)
    assert smaller is not None
    assert smaller.name == "layer4.0"
    assert first_useful(points, 0.0) is None
