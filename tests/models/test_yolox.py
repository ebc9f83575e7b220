"""YOLOX-Nano: cuts, shapes, and what its published weights make of a photograph."""

import importlib.util

import pytest
import torch
from safetensors.torch import load_file

import bottleneck
from bottleneck import models


def test_cut_where_the_pyramid_branches_off():
    """`dark3` is closed, head and tail are the network, and behind it nothing is until rows come together."""
    network = models.create("yolox_nano", num_classes=3)
    image = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with pytest.raises(ValueError, match="not those of a square image"):
        network(image)
    image = image[..., :64]
    names = [point.name for point in bottleneck.split_points(network, image)]
    assert names[-2:] == ["dark3", "network"]
    net = bottleneck.split(network, "dark3", image)
    assert net.point.shape == (64, 8, 8)
    with torch.no_grad():
        assert torch.equal(net.tail(net.head(image)), network(image))
    assert network(image).shape == (2, 84, 4 + 4)


def test_labels_are_cocos():
    """Its 80 classes have COCO's own numbers, so that rows have a score for 91 labels."""
    network = models.create("yolox_nano")
    assert (network.name, network.input_shape) == ("yolox_nano", (3, 416, 416))
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape == (1, 21, 4 + 91)


def test_weights_compute_what_they_should(data_at_hand):
    """Rows of the weights at hand are those of the definition that lies beside them, decoded."""
    folder = data_at_hand / "coco"
    spec = importlib.util.spec_from_file_location("yolox_at_hand", folder / "yolox.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    theirs = module.YOLOXNano().eval()
    theirs.load_state_dict(load_file(folder / "yolox_nano.safetensors"))
    image = torch.randint(0, 256, (1, 3, 128, 128), generator=torch.Generator().manual_seed(0)).to(
        torch.uint8
    )
    with torch.no_grad():
        wanted = module.decode(theirs(image.flip(1).float()), 128)
        found = models.create("yolox_nano", str(folder / "yolox_nano.safetensors"))(image)
    centre, half = wanted[..., :2], wanted[..., 2:4] / 2
    torch.testing.assert_close(found[..., :4], torch.cat((centre - half, centre + half), -1))
    columns = [4 + label for label in models.rows.COCO_LABELS]
    torch.testing.assert_close(found[..., columns], wanted[..., 4:5] * wanted[..., 5:])
