"""RetinaNet, FCOS and SSD can be cut."""

import pytest
import torch

from bottleneck import models
from bottleneck.splitting import trace
from bottleneck.splitting.model import split_traced
from bottleneck.splitting.points import points_of

SIDES = [(64, 96), (80, 64), (50, 70)]
NETWORKS = {
    "retinanet_resnet50_fpn": {"min_size": 64, "max_size": 128},
    "fcos_resnet50_fpn": {"min_size": 64, "max_size": 128},
    "ssdlite320_mobilenet_v3_large": {},
    "ssd300_vgg16": {},  # 300 is no multiple of 32
}
SLOW = {"ssd300_vgg16": pytest.mark.slow}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=SLOW.get(name, ())) for name in NETWORKS])
def detector(request):
    torch.manual_seed(0)
    made = models.create(request.param, num_classes=5, **NETWORKS[request.param])
    made.find_all()
    return made


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (3, *side), generator=generator, dtype=torch.uint8) for side in SIDES]


@pytest.mark.sampled(1)
def test_head_and_tail_equal_the_detector_on_images_of_different_sizes(detector, images):
    """Boxes, scores and labels from features and sizes alone are those of torchvision's own detector."""
    traced = trace(detector, images[0][None])
    names, sets = ([point.name for point in points_of(traced, tensors)] for tensors in (1, 6))
    assert "normalize" in names
    assert len(names) > 10
    with torch.no_grad():
        wanted = detector.network([image / 255 for image in images])
        for at in ("normalize", names[len(names) // 2], names[-1], sets[-1]):
            net = split_traced(traced, at)
            found = net.tail(net.head(images), sizes=net.sizes(images))
            for ours, theirs in zip(found, wanted, strict=True):
                assert len(theirs["boxes"])
                assert all(torch.allclose(ours[key].float(), theirs[key].float()) for key in theirs)


@pytest.mark.slow
def test_levels_that_are_rounded_are_refused():
    """A level of stride 64 fits where an image is 128 wide; where it is 160, it is rounded: both are told."""
    model = models.create("retinanet_resnet50_fpn", num_classes=5, min_size=128, max_size=256)
    fitting, rounded = (torch.zeros(1, 3, 128, width, dtype=torch.uint8) for width in (128, 160))
    at = "fpn.extra_blocks.p6"
    with pytest.raises(ValueError, match=r"\(256, 4, 5\), \(256, 2, 3\)\], and where images"):
        split_traced(trace(model, rounded), at)
    net = split_traced(trace(model, fitting), at)
    with pytest.raises(ValueError, match="do not fit into one"):
        net.head(rounded)


def test_a_mean_of_all_places_crosses_with_no_map():
    """What squeezes a map to 1×1 is no level of a pyramid: it would be as large for a larger image."""
    model = models.create("ssdlite320_mobilenet_v3_large", num_classes=5)
    traced = trace(model, torch.zeros(1, 3, 64, 96, dtype=torch.uint8))
    assert "features.0.4.block.2.avgpool" not in {point.name for point in points_of(traced, 6)}
    with pytest.raises(ValueError, match="larger than 1×1"):
        split_traced(traced, "features.0.4.block.2.avgpool")


def test_losses_are_those_of_the_detector_in_training(detector, images):
    """Each image's losses equal torchvision's on it, and nothing is left in training mode."""
    targets = [
        {"boxes": torch.tensor([[8.0, 10, 40, 50]]), "labels": torch.tensor([label])} for label in (1, 2)
    ]
    batch = torch.stack([images[0], images[0].flip(-1)])  # of one size, so that none is padded
    found = detector(batch).losses(targets)
    assert not any(module.training for module in detector.modules())
    for index, target in enumerate(targets):
        try:
            detector.network.training = True  # its submodules' statistics stay as they are
            wanted = detector.network([batch[index] / 255], [target])
        finally:
            detector.network.training = False
        assert found.keys() == wanted.keys()
        for name, loss in wanted.items():
            torch.testing.assert_close(found[name][index], loss, msg=name)
