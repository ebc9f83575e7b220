"""Networks that are defined here: published weights fit, and cuts lie where the papers' blocks end."""

import pytest
import torch
from safetensors.torch import load_file

from bottleneck import models, split_points
from bottleneck.models.defined import DEFINED


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("resnet20_cifar", 269_722), ("resnet56_cifar", 853_018), ("espnet", 354_517), ("yolox_nano", 904_463)],
)
def test_networks_have_as_many_parameters_as_published(name, parameters):
    """The architecture is the papers', counted in parameters."""
    network = models.create(name).network
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_shortcuts_have_no_parameters():
    """Where a stage halves the map, every second position goes on, between channels of zeros."""
    block = models.create("resnet20_cifar").network.layer2[0]
    torch.nn.init.zeros_(block.bn2.weight)
    x = torch.rand(2, 16, 8, 8)
    with torch.no_grad():
        y = block(x)
    assert torch.equal(y[:, 8:24], x[:, :, ::2, ::2])
    assert not y[:, :8].any()
    assert not y[:, 24:].any()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet20_cifar", {"layer1": (16, 32, 32), "layer2": (32, 16, 16), "layer3.1": (64, 8, 8)}),
        ("espnet", {"conv": (12, 180, 240)}),
    ],
)
def test_cuts_are_where_the_papers_blocks_end(name, expected):
    """Closed cuts carry the published names; ESPNet's decoder leaves one, behind all but its last layer."""
    network = models.create(name)
    found = {p.name: tuple(p.shape) for p in split_points(network, torch.zeros(1, *network.input_shape))}
    assert expected.items() <= found.items()
    if name == "espnet":
        assert set(found) == {"input", "normalize", "conv.conv", "conv.bn", "conv"}


def test_espnet_is_fed_blue_first():
    """Pixels reach ESPNet as blue, green, red: minus the mean, by the deviation and by 255."""
    network = models.create("espnet")
    pixels = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    mean, std = (
        torch.tensor([110.33102643, 108.40886315, 105.03319369]),
        torch.tensor(DEFINED["espnet"].wrapping["std"]),
    )
    expected = (pixels.flip(1) - mean[:, None, None]) / std[:, None, None] / 255
    torch.testing.assert_close(network.normalize(pixels), expected)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet20_cifar", "cifar10/resnet20"),
        ("resnet56_cifar", "cifar10/resnet56"),
        ("espnet", "camvid/espnet_camvid"),
        ("squeezenet1_1", "squeezenet/squeezenet1_1"),
    ],
)
def test_published_weights_are_loaded_as_they_are(name, file, data_at_hand):
    """Every tensor of the published file is in the network, under its own name."""
    path = data_at_hand / f"{file}.safetensors"
    state = models.create(name, weights=str(path)).network.state_dict()
    published = load_file(path)
    counters = {key for key in state if key.endswith("num_batches_tracked")}
    assert set(published) | counters == set(state)
    assert all(torch.equal(state[key], value) for key, value in published.items())
