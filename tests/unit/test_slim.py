"""The slim unit, which replaces a detector's first layer."""

import pytest
import torch

from bottleneck.unit import SlimUnit, build


def slim(latent_channels=3, channels=64, out_channels=256, size=(8, 10)):
    return SlimUnit(channels, latent_channels, 0.1, size, out_channels)


@pytest.mark.parametrize("channels", [3, 6, 9, 12, 15])
def test_parameters_are_those_of_the_spec(channels):
    """Encoder and decoder have 148,224 + 256·C and 427,392 + 258·C parameters, norms included."""
    unit = slim(channels)
    count = [sum(p.numel() for p in half.parameters()) for half in (unit.encoder, unit.decoder)]
    assert count == [148_224 + 256 * channels, 427_392 + 258 * channels]


@pytest.mark.parametrize("size", [(1, 1), (7, 12), (25, 34)])
def test_any_size_comes_back_through_a_latent_four_larger(size):
    """Odd and even maps come back in their size; the latent is four rows and columns larger."""
    unit = slim().eval()
    output = unit(torch.randn(2, 64, *size))
    assert output.feature.shape == (2, 256, *size)
    assert output.latent.shape == (2, 3, size[0] + 4, size[1] + 4)
    assert unit.latent_shape_of((64, *size)) == tuple(output.latent.shape[1:])


def test_bottleneck_over_input_is_the_published_share():
    """At 800×800, C = 3 to 15 sends 6.5 to 32.5 % of the input's numbers."""
    shapes = [slim(c, size=(200, 200)).latent_shape for c in (3, 6, 9, 12, 15)]
    shares = [round(100 * c * h * w / (3 * 800 * 800), 1) for c, h, w in shapes]
    assert shares == [6.5, 13.0, 19.5, 26.0, 32.5]


def test_latent_may_be_negative():
    """No activation bounds the latent, so its symbols have both signs."""
    symbols = slim().eval().symbols(torch.randn(4, 64, 8, 10))
    assert symbols.min() < 0 < symbols.max()


def test_options_build_an_equal_unit():
    """A bundle's options make a unit that computes the same."""
    unit = slim(size=(4, 4)).eval()
    again = build(unit.options).eval()
    again.load_state_dict(unit.state_dict())
    feature = torch.randn(1, 64, 4, 4)
    assert unit.replaces
    assert torch.equal(unit(feature).feature, again(feature).feature)


def test_other_channels_and_modules_that_change_the_size_are_refused():
    """A map of another network, and a module with a stride, are answered with the cure."""
    with pytest.raises(ValueError, match="64 channels"):
        slim()(torch.randn(1, 32, 8, 10))
    with pytest.raises(ValueError, match=r"unit\.stride=2"):
        SlimUnit(64, 3, 1.0, (8, 8), 256, stride=2)
    with pytest.raises(ValueError, match="keeps the map's size"):
        SlimUnit.from_features(
            torch.zeros(1, 8, 8, 8), "CHW", torch.zeros(1, 8, 4, 4), latent_channels=3, step=1.0
        )
