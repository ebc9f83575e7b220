"""A unit for each of several tensors: together they are one unit, whose features and latents are vectors."""

import json

import pytest
import torch

from bottleneck.layouts import Layout, Part, apart, together
from bottleneck.unit import AsymmetricUnit, BottleneckUnit, UnitSet, build

PARTS = [Part("a", (4, 8, 8), Layout("CHW")), Part("b", (4, 4, 6), Layout("HWC"))]


def features(parts=PARTS, count=3):
    torch.manual_seed(0)
    return together(torch.randn(count, *part.shape) for part in parts)


def made(kind=BottleneckUnit, **options):
    torch.manual_seed(0)
    options = {"latent_channels": 3, "stride": 2, "step": 0.25, **options}
    return UnitSet.from_features(features(), "C", PARTS, kind, **options)


def test_each_tensor_goes_through_its_own_unit():
    """Latents and reconstructions are those of the parts' units, one behind the other."""
    unit = made().eval()
    members = [build(options).eval() for options in unit.options["units"]]
    for number, member in enumerate(members):
        member.encoder.load_state_dict(unit.encoder.each[number].state_dict())
        member.decoder.load_state_dict(unit.decoder.each[number].state_dict())
    assert unit.latent_shapes == ((3, 4, 4), (3, 2, 2))
    assert unit.size == (4, 4)
    vectors = features()
    with torch.no_grad():
        output = unit(vectors)
        tensors = apart(vectors, [part.shape for part in PARTS])
        apart_outputs = [member(tensor) for member, tensor in zip(members, tensors, strict=True)]
    torch.testing.assert_close(output.feature, together(own.feature for own in apart_outputs))
    torch.testing.assert_close(output.latent, together(own.latent for own in apart_outputs))


def test_server_reconstructs_what_the_forward_pass_does():
    """Symbols are whole numbers in one vector, from which the server makes the same feature."""
    unit = made().eval()
    vectors = features()
    symbols = unit.symbols(vectors)
    assert (symbols.dtype, symbols.shape[1:]) == (torch.int32, unit.latent_shape)
    with torch.no_grad():
        torch.testing.assert_close(unit.reconstruct(symbols), unit(vectors).feature)


def test_gradients_reach_every_unit():
    """All units learn from the reconstruction of their own tensor."""
    unit = made(AsymmetricUnit)
    weights = torch.randn(3, *unit.feature_shape)
    (unit(features()).feature * weights).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in unit.parameters())


def test_options_make_an_equal_set():
    """They are JSON, and weights fit what is made of them."""
    unit = made(latent_channels=[2, 5], stride=[4, 1])
    assert unit.latent_shapes == ((2, 2, 2), (5, 4, 4))
    again = build(json.loads(json.dumps(unit.options))).eval()
    again.load_state_dict(unit.state_dict())
    vectors = features()
    torch.testing.assert_close(again(vectors).feature, unit.eval()(vectors).feature)


def test_an_option_has_one_value_or_one_for_each_tensor():
    """Two tensors take no three strides; the tensors are named."""
    with pytest.raises(ValueError, match=r"unit.stride=\[1, 2, 4\].*\['a', 'b'\]"):
        made(stride=[1, 2, 4])
    with pytest.raises(ValueError, match=r"unit.step=\[0.25, 0.5\].*one step"):
        made(step=[0.25, 0.5])


def test_a_kind_that_does_not_take_a_tensor_says_so():
    """Units of maps take no tokens, whichever of the tensors has them."""
    parts = [PARTS[0], Part("tokens", (16, 4), Layout("LC"))]
    with pytest.raises(ValueError, match="layout LC"):
        UnitSet.from_features(
            features(parts), "C", parts, BottleneckUnit, latent_channels=3, stride=1, step=1.0
        )


def test_encoder_has_the_encoders_alone():
    """What the device runs is counted without the decoders."""
    unit = made()
    encoders = [build(options).encoder for options in unit.options["units"]]
    count = sum(p.numel() for encoder in encoders for p in encoder.parameters())
    assert sum(p.numel() for p in unit.encoder.parameters()) == count
