"""Which cuts are offered, which are refused, and what is said of each."""

import re

import pytest
import torch
import torchvision
from torch import nn

from bottleneck.splitting import split, split_points, trace
from bottleneck.splitting.points import find_cut


class Skip(nn.Module):
    """Two layers around which the input of the first is carried."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.inner1 = nn.Conv2d(4, 4, 3, padding=1)
        self.inner2 = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        x = self.stem(x)
        return self.last(self.inner2(self.inner1(x)) + x)


class SharedActivation(nn.Module):
    """One ReLU that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU()
        self.last = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        return self.last(self.relu(self.second(self.relu(self.first(x)))))


class Branching(nn.Module):
    """Control flow on data, which no tracer can follow."""

    def forward(self, x):
        return x if x.abs().sum() >= 0 else -x


@pytest.fixture(scope="module")
def resnet50_points():
    points = split_points(torchvision.models.resnet50(), torch.zeros(1, 3, 224, 224))
    return {name: point for point in points for name in (point.name, *point.aliases)}


@pytest.mark.parametrize(
    ("name", "share"), [("layer3.4", 74.82), ("layer4.0", 89.27), ("layer4.1", 94.61), ("layer4.2", 99.95)]
)
def test_macs_of_resnet50_are_those_of_the_spec(resnet50_points, name, share):
    """The share of MACs before the paper's four split points is right to two decimals."""
    assert round(100 * resnet50_points[name].macs_share, 2) == share


@pytest.mark.parametrize(
    ("name", "shape", "kib", "ratio"),
    [
        ("maxpool", (64, 56, 56), 784, 1.33),
        ("layer2.0", (512, 28, 28), 1568, 2.67),
        ("input", (3, 224, 224), 588, 1),
    ],
)
def test_sizes_of_resnet50_are_those_of_the_papers(resnet50_points, name, shape, kib, ratio):
    """Shapes, bytes and ratios to the input are those of Carra and Neglia's table."""
    point = resnet50_points[name]
    assert point.shape == shape
    assert point.nbytes == kib * 1024
    assert round(point.input_ratio, 2) == ratio


def test_parameters_before_a_cut_are_counted_once(resnet50_points):
    """Parameters before `layer1` are those of the stem and of layer1."""
    model = torchvision.models.resnet50()
    expected = sum(p.numel() for m in (model.conv1, model.bn1, model.layer1) for p in m.parameters())
    assert resnet50_points["layer1"].params == expected
    assert resnet50_points["input"].params == 0


def test_one_cut_is_listed_once_under_its_outermost_module(resnet50_points):
    """`layer4.2` is the same tensor as `layer4`, so it is an alias, and `input` is the first point."""
    assert resnet50_points["layer4.2"] is resnet50_points["layer4"]
    assert resnet50_points["layer4.2"].name == "layer4"
    assert next(iter(resnet50_points)) == "input"


def test_the_networks_output_is_no_split_point(resnet50_points):
    """A cut behind the last layer would leave no tail."""
    assert "fc" not in resnet50_points


def test_example_batch_does_not_change_what_is_said_of_one_sample():
    """Shapes, bytes and MACs are per sample, whatever the example's batch."""
    one, three = (split_points(Skip(), torch.zeros(batch, 3, 8, 8)) for batch in (1, 3))
    assert one == three


def test_inner_cut_of_a_skip_connection_names_what_crosses():
    """Where more crosses than may be sent, the crossing tensors and valid neighbours are named."""
    with pytest.raises(ValueError, match=r"'inner1' is not a closed cut.*'stem', 'inner1'.*Nearest.*'stem'"):
        find_cut(trace(Skip(), torch.zeros(1, 3, 8, 8)), "inner1", tensors=1)


def test_unknown_name_suggests_similar_ones():
    """A mistyped split point is answered with names that exist."""
    with pytest.raises(ValueError, match=r"'stm' is no split point.*'stem'.*split_points"):
        split(Skip(), "stm", torch.zeros(1, 3, 8, 8))


def test_cut_behind_the_output_says_so():
    """Cutting behind the last module is refused because no tail would remain."""
    with pytest.raises(ValueError, match="'last' is not a closed cut: it is the network's output"):
        split(Skip(), "last", torch.zeros(1, 3, 8, 8))


def test_repeated_calls_of_a_module_have_names_of_their_own():
    """A module called twice is listed as `relu#1` and `relu#2`."""
    names = [point.name for point in split_points(SharedActivation(), torch.zeros(1, 3, 8, 8))]
    assert names == ["input", "first", "relu#1", "second", "relu#2"]


def test_untraceable_submodule_is_kept_whole():
    """Cuts around a submodule that cannot be traced are offered, and compose to the model."""
    model = nn.Sequential(nn.Conv2d(3, 3, 1), Branching(), nn.Conv2d(3, 1, 1)).eval()
    x = torch.randn(2, 3, 8, 8)
    assert [point.name for point in split_points(model, x)] == ["input", "0", "1"]
    torch.testing.assert_close(split(model, "1", x)(x), model(x))


@pytest.mark.parametrize(
    ("shape", "expected"), [((1, 3, 32, 32), "HWC"), ((1, 3, 32, 64), "HWC"), ((1, 3, 64, 32), "HWC")]
)
def test_channels_last_maps_are_recognised(shape, expected):
    """A map whose first two dimensions have the input's aspect is channels-last."""

    class ToLast(nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1)

    model = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2, padding=1), ToLast(), nn.Linear(5, 2))
    layouts = {point.name: point.layout for point in split_points(model, torch.zeros(shape))}
    assert layouts == {"input": "CHW", "0": "CHW", "1": expected}


def test_tracing_leaves_the_model_as_it_was():
    """Modes, parameters and BatchNorm statistics of the user's model survive a look at its split points."""
    model = torchvision.models.resnet18().train()
    model.bn1.eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    split_points(model, torch.randn(2, 3, 64, 64))
    assert model.training
    assert model.layer1.training
    assert not model.bn1.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_example_of_a_wrong_shape_is_named():
    """An example that the network cannot take is reported with its shape."""
    with pytest.raises(ValueError, match=r"Skip does not run on an example of shape \(1, 5, 8, 8\)"):
        split_points(Skip(), torch.zeros(1, 5, 8, 8))


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            "vit_b_16",
            {
                "conv_proj": ("CHW", (768, 14, 14)),
                "encoder.dropout": ("LC", (197, 768)),
                **{f"encoder.layers.encoder_layer_{k}": ("LC", (197, 768)) for k in range(12)},
            },
        ),
        (
            "swin_t",
            {
                "features.0": ("HWC", (56, 56, 96)),
                "features.1.0": ("HWC", (56, 56, 96)),
                "features.2": ("HWC", (28, 28, 192)),
                "features.5.4": ("HWC", (14, 14, 384)),
                "features.7": ("HWC", (7, 7, 768)),
                "permute": ("CHW", (768, 7, 7)),
            },
        ),
    ],
)
def test_transformers_are_cut_between_blocks(network, expected):
    """Behind the patches and every block there is a cut; within a block there is none."""
    points = split_points(getattr(torchvision.models, network)(), torch.zeros(1, 3, 224, 224))
    found = {name: (point.layout, point.shape) for point in points for name in (point.name, *point.aliases)}
    assert expected.items() <= found.items()
    assert not [name for name in found if re.search(r"attention|attn|mlp|norm1|norm2|ln_[12]", name)]
    shares = [point.macs_share for point in points]
    assert shares == sorted(shares)
    assert shares[-1] > 0.99
