"""Head and tail: together they are the model, apart they run alone."""

import pytest
import torch
import torchvision
from torch import nn

from bottleneck.splitting import split
from bottleneck.splitting.graph import trace
from bottleneck.splitting.model import split_traced
from bottleneck.splitting.points import points_of

ZOO = [  # the first two stand for the others in the default run: branches, squeezes, concatenation
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            "resnet18",
            "vgg11_bn",
            "densenet121",
            "mobilenet_v2",
            "efficientnet_b0",
            "regnet_y_400mf",
            "convnext_tiny",
            "squeezenet1_1",
            "googlenet",
            "swin_t",
        )
    ),
]


def assert_every_cut_composes(model: nn.Module, example: torch.Tensor, image: torch.Tensor) -> None:
    model = model.eval()
    traced = trace(model, example)
    points = points_of(traced)
    assert len(points) > 5
    with torch.no_grad():
        expected = model(image)
        assert expected.std() > 0, "a constant output would prove nothing"
        for point in points:
            net = split_traced(traced, point.name)
            feature = net.head(image)
            sent = feature.clone()
            assert feature.shape[1:] == point.shape
            torch.testing.assert_close(net.tail(feature), expected, rtol=0, atol=1e-5)
            assert torch.equal(feature, sent), f"the tail behind {point.name} overwrote its input"


@pytest.mark.parametrize("name", ZOO)
def test_tail_of_head_equals_the_model_at_every_closed_cut(name):
    """At every closed cut of the network, on another batch size than the example's, head and tail compose."""
    torch.manual_seed(0)
    options = {"init_weights": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, **options)
    assert_every_cut_composes(model, torch.randn(2, 3, 32, 32), torch.randn(3, 3, 32, 32))


def test_vision_transformer_composes_at_every_closed_cut():
    """A ViT, whose tokens and class token need the batch size on the server, composes as well."""
    torch.manual_seed(0)
    model = torchvision.models.VisionTransformer(32, 8, 4, 2, 16, 32, num_classes=10)
    nn.init.normal_(model.heads.head.weight)
    assert_every_cut_composes(model, torch.randn(2, 3, 32, 32), torch.randn(3, 3, 32, 32))


@pytest.mark.slow
def test_efficientnet_lite0_composes_at_every_closed_cut():
    """The network from PyPI, whose tail reads the image's batch size, composes at every closed cut."""
    lite = pytest.importorskip("efficientnet_lite_pytorch", reason="extra `efficientnet` is not installed")
    torch.manual_seed(0)
    model = lite.EfficientNet.from_name("efficientnet-lite0", image_size=64)
    assert_every_cut_composes(model, torch.randn(1, 3, 64, 64), torch.randn(3, 3, 64, 64))


def test_sizes_of_the_input_reach_the_tail_without_the_channel():
    """DeepLab's tail interpolates to the example's size, or to another that it is told."""
    model = torchvision.models.segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None).eval()
    example = torch.randn(1, 3, 65, 65)
    net = split(model, "backbone.layer4.0", example)
    (name,) = net.tail.sizes
    with torch.no_grad():
        torch.testing.assert_close(net(example)["out"], model(example)["out"], rtol=0, atol=1e-5)
        other = net.tail(net.head(example), sizes={name: (33, 17)})["out"]
    assert other.shape[-2:] == (33, 17)


def test_size_that_does_not_cross_is_refused():
    """An unknown name in `sizes` is answered with the names that cross."""
    net = split(torchvision.models.resnet18(), "layer1", torch.zeros(1, 3, 64, 64))
    with pytest.raises(ValueError, match=r"sizes=\['height'\] do not cross this cut; it takes \[\]"):
        net.tail(torch.zeros(1, 64, 16, 16), sizes={"height": 64})


def test_halves_hold_only_their_own_parameters():
    """The head holds nothing of the tail and the other way round, so each can live on its own machine."""
    model = torchvision.models.resnet18()
    net = split(model, "layer2", torch.zeros(1, 3, 64, 64))
    head, tail = ({id(p) for p in half.parameters()} for half in (net.head, net.tail))
    assert not head & tail
    assert head | tail == {id(p) for p in model.parameters()}


def test_frozen_network_stays_in_eval_mode_and_takes_no_gradient():
    """Whatever Lightning calls, a frozen network neither trains nor updates its statistics."""
    net = split(torchvision.models.resnet18(), "layer2", torch.zeros(1, 3, 64, 64)).freeze()
    net.train()
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_unfrozen_network_can_train():
    """Before `freeze`, train mode and gradients are the network's own."""
    net = split(torchvision.models.resnet18(), "layer2", torch.zeros(1, 3, 64, 64))
    net.train()
    assert all(module.training for module in net.modules())
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_input_is_a_split_point():
    """At `input` the head passes the image on and the tail is the whole network."""
    model = torchvision.models.resnet18().eval()
    x = torch.randn(2, 3, 64, 64)
    net = split(model, "input", x)
    assert torch.equal(net.head(x), x)
    with torch.no_grad():
        torch.testing.assert_close(net.tail(x), model(x))


def test_layers_behind_the_cut_can_be_watched():
    """The tail shows what its modules give on any batch; names that are not behind the cut are refused."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18().eval()
    net = split(model, "layer2", torch.zeros(1, 3, 64, 64)).freeze()
    feature = torch.randn(3, 128, 8, 8)
    output, seen = net.tail.watch(feature, ["layer3", "layer4.0.conv1"])
    torch.testing.assert_close(output, net.tail(feature))
    torch.testing.assert_close(seen["layer3"], model.layer3(feature))
    assert seen["layer4.0.conv1"].shape == (3, 512, 2, 2)
    with pytest.raises(ValueError, match=r"layers=\['layer1'\] are not behind this cut, which has \['layer3"):
        net.tail.watch(feature, ["layer1"])
