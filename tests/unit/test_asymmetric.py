"""Halves chosen separately: what each costs, and that units begin at the scale of what they see."""

import pytest
import torch

from bottleneck.measure.complexity import mac_count
from bottleneck.unit import AsymmetricUnit, PooledUnit, build
from bottleneck.unit.halves import DECODERS, ENCODERS

FEATURES = torch.randn(32, 6, 9, 7, generator=torch.Generator().manual_seed(0))
FEATURES = FEATURES * torch.tensor([0.1, 1, 5, 20, 1, 1])[:, None, None] + 3


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_any_encoder_goes_with_any_decoder(encoder, decoder, stride):
    """Each pair restores the map's size, also where the stride leaves partial cells, and is built again."""
    options = {"latent_channels": 4, "stride": stride, "step": 0.5, "encoder": encoder, "decoder": decoder}
    unit = AsymmetricUnit.from_features(FEATURES, "CHW", **options).eval()
    output = unit(FEATURES)
    assert unit.latent_shape == (4, -(-9 // stride), -(-7 // stride))
    assert output.latent.shape[1:] == unit.latent_shape
    assert output.feature.shape == FEATURES.shape
    again = build(unit.options)
    again.load_state_dict(unit.state_dict())
    torch.testing.assert_close(again.eval()(FEATURES).feature, output.feature)
    assert (unit.options["encoder"], unit.options["decoder"]) == (encoder, decoder)


@pytest.mark.parametrize("step", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("kind", [AsymmetricUnit, PooledUnit])
def test_latents_begin_two_steps_wide(kind, step):
    """Whatever the features' scale and the step, an untrained latent neither rounds to zero nor overflows."""
    torch.manual_seed(0)
    unit = kind.from_features(FEATURES, "CHW", latent_channels=4, stride=1, step=step).train()
    latent = unit.encode(FEATURES)
    torch.testing.assert_close(
        latent.std((0, 2, 3), correction=0), torch.full((4,), 2 * step), rtol=0.05, atol=0
    )
    assert latent.mean((0, 2, 3)).abs().max() < 0.05 * step


def test_wide_decoders_cost_the_device_nothing():
    """The encoder's work does not depend on the decoder's width and blocks."""
    narrow, wide = (
        AsymmetricUnit(6, 4, 2, 1.0, (9, 7), width=width, blocks=blocks).eval()
        for width, blocks in ((8, 0), (64, 3))
    )
    assert mac_count(narrow.encode, FEATURES[:1]) == mac_count(wide.encode, FEATURES[:1])
    assert mac_count(wide, FEATURES[:1]) > 10 * mac_count(narrow, FEATURES[:1])


def test_pooled_features_are_the_same_everywhere():
    """A vector per image becomes a map without positions; without its narrow layer the encoder is tiny."""
    unit = PooledUnit.from_features(FEATURES, "CHW", latent_channels=4, step=0.5, encoder_width=0).eval()
    assert unit.latent_shape == (4, 1, 1)
    feature = unit(FEATURES).feature
    assert torch.equal(feature, feature[..., :1, :1].expand_as(feature))
    assert mac_count(unit.encode, FEATURES[:1]) == 6 * 256 + 256 * 4


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (AsymmetricUnit, {"encoder": "patches"}, r"unit\.encoder='patches'.*patch"),
        (AsymmetricUnit, {"decoder": "wide"}, r"unit\.decoder='wide'.*residual"),
        (AsymmetricUnit, {"width": 0}, r"unit\.width=0 must be at least 1"),
        (AsymmetricUnit, {"blocks": -1}, r"unit\.blocks=-1 at least 0"),
        (PooledUnit, {"stride": 2}, r"unit\.stride=2: unit=pooled has no stride"),
        (PooledUnit, {"hidden": 0}, r"unit\.hidden=0"),
    ],
)
def test_impossible_halves_are_refused(kind, options, message):
    """A half without a name, or narrower than one channel, is refused with its configuration key."""
    options = {"latent_channels": 4, "stride": 1, "step": 1.0, **options}
    with pytest.raises(ValueError, match=message):
        kind.from_features(FEATURES, "CHW", **options)
