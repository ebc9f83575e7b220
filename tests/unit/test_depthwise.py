"""The bottleneck unit: structure, shapes, parameters, quantized forward pass."""

import pytest
import torch
from torch import nn

from bottleneck.unit import BottleneckUnit, build


def make_unit(**options) -> BottleneckUnit:
    return BottleneckUnit(
        **{"channels": 6, "latent_channels": 3, "stride": 2, "step": 1.0, "size": (7, 5), **options}
    )


@pytest.mark.parametrize(
    ("channels", "latent", "size", "stride", "kernel", "expected"),
    [(2048, 128, 7, 2, 3, 573_696), (2048, 64, 65, 4, 5, 344_192), (256, 2, 65, 8, 9, 25_604)],
)
def test_parameters_are_those_of_the_spec(channels, latent, size, stride, kernel, expected):
    """The counted parameters equal 9C + 2·C·C_r + k²·C + 2(3C + C_r) on the spec's three examples."""
    unit = BottleneckUnit(channels, latent, stride, 1.0, (size, size), kernel=kernel, geometry="released")
    formula = 9 * channels + 2 * channels * latent + kernel**2 * channels + 2 * (3 * channels + latent)
    assert sum(p.numel() for p in unit.parameters()) == formula == expected


def test_layers_are_those_of_the_paper():
    """Encoder and decoder are the spec's table, layer by layer, without biases."""
    unit = make_unit()
    kinds = [type(layer) for layer in (*unit.encoder, *unit.decoder)]
    conv, norm, relu, deconv = nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.ConvTranspose2d
    assert kinds == [conv, norm, relu, conv, norm, relu, deconv, norm, relu, deconv, norm, relu]
    assert [unit.encoder[0].groups, unit.decoder[3].groups] == [6, 6]
    assert not any(layer.bias is not None for layer in unit.modules() if isinstance(layer, (conv, deconv)))


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (7, 7), (8, 5), (14, 14), (13, 65)])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 6])
def test_feature_comes_back_in_its_size(size, stride):
    """For any height, width and stride the reconstruction has the feature's shape, the latent its own."""
    unit = make_unit(size=size, stride=stride)
    output = unit(torch.randn(2, 6, *size))
    assert output.feature.shape == (2, 6, *size)
    assert output.latent.shape == (2, *unit.latent_shape)


def test_forward_in_training_is_really_quantized():
    """In train mode already, the latent is a multiple of the step and never negative."""
    unit = make_unit(step=0.25).train()
    latent = unit(torch.randn(4, 6, 7, 5)).latent
    assert torch.equal(latent, torch.round(latent / 0.25) * 0.25)
    assert latent.min() >= 0
    assert latent.max() > 0


def test_gradients_reach_the_encoder_through_the_quantizer():
    """Every parameter of the unit gets a gradient from the reconstruction."""
    unit = make_unit(step=0.1)
    unit(torch.randn(4, 6, 7, 5)).feature.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in unit.parameters())


def test_server_reconstructs_what_the_forward_pass_does():
    """`reconstruct(symbols(x))` is `forward(x).feature`, bit for bit."""
    unit = make_unit().eval()
    x = torch.randn(3, 6, 7, 5)
    assert torch.equal(unit.reconstruct(unit.symbols(x)), unit(x).feature)


@pytest.mark.parametrize(("shift", "activation"), [(0.0, "relu"), (-0.5, "none")])
def test_auto_activation_follows_the_features_sign(shift, activation):
    """Features that are never negative get a last ReLU, signed ones do not."""
    features = torch.rand(8, 6, 7, 5) + shift
    unit = BottleneckUnit.from_features(features, "CHW", latent_channels=3, stride=2, step=1.0)
    assert unit.activation == activation
    assert (unit(features).feature.min() < 0) == (activation == "none")


def test_channels_last_features_come_back_channels_last():
    """A Swin feature, H×W×C, is permuted inside the unit."""
    features = torch.randn(2, 7, 5, 6)
    unit = BottleneckUnit.from_features(features, "HWC", latent_channels=3, stride=2, step=1.0)
    assert (unit.channels, unit.size) == (6, (7, 5))
    assert unit(features).feature.shape == features.shape


def test_options_rebuild_an_equal_unit():
    """The options that a bundle stores, with the weights, give the same function."""
    unit = make_unit(kernel=5, activation="none").eval()
    twin = build(unit.options)
    twin.load_state_dict(unit.state_dict())
    x = torch.randn(2, 6, 7, 5)
    assert torch.equal(twin.eval()(x).feature, unit(x).feature)


def test_token_sequences_are_refused_with_an_alternative():
    """A ViT's tokens cannot enter a convolutional unit; the message says what can."""
    with pytest.raises(ValueError, match=r"layout LC and shape \(197, 768\).*unit=tokens"):
        BottleneckUnit.from_features(torch.zeros(1, 197, 768), "LC", latent_channels=3, stride=2, step=1.0)


def test_feature_of_another_size_is_refused():
    """Where the stride needs other paddings, a unit says which size it was built for."""
    with pytest.raises(ValueError, match=r"\(6, 7, 5\), got \(6, 8, 5\)"):
        make_unit()(torch.randn(2, 6, 8, 5))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"activation": "gelu"}, "unit.activation='gelu'"),
        ({"latent_channels": 0}, "unit.latent_channels=0"),
        ({"stride": 0}, "unit.stride=0"),
        ({"step": -1.0}, "unit.step=-1"),
        ({"geometry": "approximate"}, "unit.geometry='approximate'"),
        ({"layout": "LC"}, "layout LC"),
    ],
)
def test_bad_options_name_their_key(option, message):
    """Each impossible option is refused by its configuration key and value."""
    with pytest.raises(ValueError, match=message):
        make_unit(**option)
