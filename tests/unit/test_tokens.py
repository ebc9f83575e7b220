"""The token unit: linear per token, class tokens apart from the grid."""

import pytest
import torch

from bottleneck.measure.complexity import mac_count, parameter_count
from bottleneck.unit import TokenUnit


def test_parameters_and_work_are_those_it_says():
    """The docstring's formulas hold with and without class tokens."""
    grid = TokenUnit(6, 3, 2, 1.0, (4, 4)).eval()
    with_class = TokenUnit(6, 3, 2, 1.0, (4, 4), class_tokens=1).eval()
    assert parameter_count(grid) == (1 + 4) * 6 * 3 + 2 * (6 + 3)
    assert parameter_count(with_class) - parameter_count(grid) == 2 * 6 * 3 + 2 * (6 + 3)
    assert mac_count(grid.encode, torch.zeros(1, 16, 6)) == 6 * 3 * 4
    assert mac_count(with_class.encode, torch.zeros(1, 17, 6)) == 6 * 3 * 5


@pytest.mark.parametrize(
    ("length", "grid", "size", "class_tokens"),
    [
        (16, None, (4, 4), 0),
        (17, None, (4, 4), 1),
        (18, None, (4, 4), 2),
        (25, (4, 6), (4, 6), 1),
        (1, None, (1, 1), 0),
    ],
)
def test_grid_is_found_behind_the_class_tokens(length, grid, size, class_tokens):
    """The largest square is the grid unless one is given; what is in front of it are class tokens."""
    features = torch.randn(2, length, 6)
    unit = TokenUnit.from_features(features, "LC", grid=grid, latent_channels=3, stride=2, step=1.0)
    assert (unit.size, unit.class_tokens, unit.feature_shape) == (size, class_tokens, (length, 6))


@pytest.mark.parametrize(("length", "grid"), [(24, None), (24, (5, 5)), (24, (3, 3))])
def test_lengths_that_are_no_grid_are_refused_with_a_way_out(length, grid):
    """Where the rest is no handful of class tokens, the key to set is named."""
    with pytest.raises(ValueError, match=r"24 tokens are no .* grid .*unit\.grid=\[HEIGHT,WIDTH\]"):
        TokenUnit.from_features(
            torch.zeros(1, length, 6), "LC", grid=grid, latent_channels=3, stride=2, step=1.0
        )


def test_class_token_is_never_pooled_with_the_grid():
    """A change of the class token changes its own latent only, and a token of the grid its cell only."""
    torch.manual_seed(0)
    unit = TokenUnit(6, 3, 2, 1.0, (4, 4), class_tokens=1).eval()
    tokens = torch.randn(1, 17, 6)
    latent = unit.encode(tokens)
    for changed, expected in {0: [0], 1: [1], 6: [1], 7: [2], 16: [4]}.items():
        other = tokens.clone()
        other[:, changed] += 1
        differs = (unit.encode(other) != latent).any(1)[0]
        assert differs.nonzero().flatten().tolist() == expected


def test_sequence_and_map_of_the_same_tokens_are_sent_alike():
    """A map in either layout and the sequence of its tokens have equal symbols and come back equal."""
    torch.manual_seed(0)
    maps = torch.randn(2, 4, 6, 5)
    units = {layout: TokenUnit(5, 3, 2, 0.1, (4, 6), layout=layout).eval() for layout in ("HWC", "CHW", "LC")}
    sent = {"HWC": maps, "CHW": maps.permute(0, 3, 1, 2), "LC": maps.flatten(1, 2)}
    weights = units["LC"].state_dict()
    for layout, unit in units.items():
        named = dict(zip(unit.state_dict(), weights.values(), strict=True))
        unit.load_state_dict(named)
        assert torch.equal(unit.symbols(sent[layout]), units["LC"].symbols(sent["LC"]))
    came = units["LC"](sent["LC"]).feature
    assert torch.equal(units["HWC"](maps).feature.flatten(1, 2), came)
    assert torch.equal(units["CHW"](sent["CHW"]).feature.flatten(2).transpose(1, 2), came)


def test_latent_is_signed():
    """Tokens have no sign to keep, so the latent uses both."""
    torch.manual_seed(0)
    latent = TokenUnit(6, 3, 1, 0.1, (4, 4))(torch.randn(8, 16, 6)).latent
    assert latent.min() < 0 < latent.max()


def test_class_tokens_of_a_map_are_refused():
    """Only sequences have tokens in front of the grid."""
    with pytest.raises(ValueError, match=r"unit\.class_tokens=1: a feature of layout HWC"):
        TokenUnit(6, 3, 1, 1.0, (4, 4), class_tokens=1, layout="HWC")
