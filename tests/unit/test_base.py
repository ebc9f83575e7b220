"""What every kind of unit promises, whatever it is made of."""

import json

import pytest
import torch

from bottleneck.unit import UNITS, BottleneckUnit, build, unit_class

SHAPES = {"CHW": (6, 7, 5), "HWC": (7, 5, 6), "LC": (36, 6)}  # 36 tokens: a class token and 7×5 of the grid
# A unit that replaces a module has another shape behind it than before it; test_slim.py.
KINDS = sorted(kind for kind, unit in UNITS.items() if not unit.replaces)
CASES = [(kind, layout) for kind in KINDS for layout in UNITS[kind].layouts]
each_unit = pytest.mark.parametrize(("kind", "layout"), CASES)


def features_for(layout):
    return torch.randn(4, *SHAPES[layout], generator=torch.Generator().manual_seed(0))


def make(kind, layout, **options):
    torch.manual_seed(0)
    options = {"latent_channels": 3, "stride": 2, "step": 0.1, **options}
    if kind == "pooled":  # a vector has no resolution
        options["stride"] = 1
    grid = {"grid": (7, 5)} if layout == "LC" else {}
    return unit_class(kind).from_features(features_for(layout), layout, **grid, **options)


@each_unit
@pytest.mark.parametrize("stride", [1, 2, 3, 8])
def test_feature_comes_back_in_its_shape(kind, layout, stride):
    """For any stride the feature comes back in its shape; the latent has the promised one, channels first."""
    unit, features = make(kind, layout, stride=stride), features_for(layout)
    output = unit(features)
    assert unit.feature_shape == SHAPES[layout]
    assert output.feature.shape == features.shape
    assert output.latent.shape == (4, *unit.latent_shape)
    assert (unit.latent_shape[0], unit.size) == (3, (7, 5))


@each_unit
def test_latent_is_really_quantized_in_training(kind, layout):
    """In train mode already, the latent is a multiple of the step and not all zero."""
    latent = make(kind, layout, step=0.25).train()(features_for(layout)).latent
    assert torch.equal(latent, torch.round(latent / 0.25) * 0.25)
    assert latent.abs().max() > 0


@each_unit
def test_gradients_reach_every_parameter(kind, layout):
    """The reconstruction teaches all of the unit, through the quantizer."""
    unit = make(kind, layout)
    weights = torch.randn(4, *SHAPES[layout])  # a plain square's gradient vanishes behind BatchNorm
    (unit(features_for(layout)).feature * weights).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in unit.parameters())


@each_unit
def test_server_reconstructs_what_the_forward_pass_does(kind, layout):
    """Symbols are int32, and `reconstruct(symbols(x))` is `forward(x).feature`, bit for bit."""
    unit, features = make(kind, layout).eval(), features_for(layout)
    symbols = unit.symbols(features)
    assert symbols.dtype == torch.int32
    assert torch.equal(unit.reconstruct(symbols), unit(features).feature)


@each_unit
def test_samples_do_not_see_each_other(kind, layout):
    """In eval mode a sample's symbols are the same alone and in a batch."""
    unit, features = make(kind, layout).eval(), features_for(layout)
    assert torch.equal(unit.symbols(features[1:2]), unit.symbols(features)[1:2])


@each_unit
def test_options_rebuild_an_equal_unit(kind, layout):
    """What a bundle stores, as JSON and with the weights, gives the same function."""
    unit, features = make(kind, layout).eval(), features_for(layout)
    twin = build(json.loads(json.dumps(unit.options)))
    twin.load_state_dict(unit.state_dict())
    assert type(twin) is type(unit)
    assert twin.options == unit.options
    assert torch.equal(twin.eval()(features).feature, unit(features).feature)


@each_unit
def test_feature_of_another_shape_is_refused(kind, layout):
    """A unit says what it was built for."""
    unit = make(kind, layout)
    with pytest.raises(
        ValueError, match=rf"built for features of {layout} \({SHAPES[layout][0]}, .*got \(8, "
    ):
        unit.encode(torch.zeros(1, 8, *SHAPES[layout][1:]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"latent_channels": 0}, r"unit\.latent_channels=0"),
        ({"stride": 0}, r"unit\.stride=0"),
        ({"stride": 1.5}, r"unit\.stride=1\.5"),
        ({"step": -1.0}, r"unit\.step=-1"),
        ({"layout": "C"}, r"layout C and shape \(6, 7, 5\)"),
    ],
)
def test_bad_options_name_their_key(kind, option, message):
    """Each impossible option is refused by its configuration key and value."""
    arguments = {"layout": "CHW", "latent_channels": 3, "stride": 2, "step": 1.0, **option}
    with pytest.raises(ValueError, match=message):
        unit_class(kind).from_features(features_for("CHW"), **arguments)


def test_units_of_before_there_were_kinds_are_depthwise():
    """Options without a kind, as older bundles have them, make the paper's unit."""
    options = {"channels": 6, "latent_channels": 3, "stride": 2, "step": 1.0, "size": [7, 5]}
    assert type(build(options)) is BottleneckUnit


def test_unknown_kind_is_answered_with_the_known_ones():
    """A bundle of a later release names what this one has."""
    with pytest.raises(
        ValueError,
        match=r"kind 'wavelet' is unknown.*'depthwise', 'plain', 'pooled', 'residual', 'slim', 'tokens'",
    ):
        build({"kind": "wavelet"})
