"""What a unit loses while it trains: groups of channels, as often as said, and nothing afterwards."""

import pytest
import torch

from bottleneck.unit import BottleneckUnit
from bottleneck.unit.losses import PacketLoss, PrefixLoss

LATENT = torch.ones(4000, 16, 2, 2)


def lost_groups(lossy, groups=8):
    """Which groups of neighbouring channels are zero; every group is so as a whole."""
    torch.manual_seed(0)
    out = lossy.train()(LATENT).reshape(len(LATENT), groups, -1)
    assert bool(((out == 0).all(2) | (out == 1).all(2)).all())
    return out[:, :, 0] == 0


def test_packets_are_lost_as_often_as_said():
    """The mean is the rate, samples differ, and so do groups."""
    lost = lost_groups(PacketLoss(0.3)).float()
    assert lost.mean().item() == pytest.approx(0.3, abs=0.02)
    assert lost.mean(0).std().item() < 0.02
    assert lost.mean(1).std().item() > 0.2  # independent losses at one rate: 0.16


def test_prefixes_keep_the_first():
    """What arrives is the first groups, each number of them as often, and never none."""
    lost = lost_groups(PrefixLoss())
    assert bool((lost.int().diff(dim=1) >= 0).all())
    counts = torch.bincount((~lost).sum(1), minlength=9)
    assert counts[0] == 0
    assert counts[1:].float().std() / counts[1:].float().mean() < 0.1


@pytest.mark.parametrize("lossy", [PacketLoss(0.5), PrefixLoss()])
def test_nothing_is_lost_in_evaluation(lossy):
    """A trained unit that is measured or deployed gets all of its latent."""
    assert lossy.eval()(LATENT) is LATENT


def test_few_channels_are_groups_of_one():
    """Where there are fewer channels than groups, each is one."""
    lost = lost_groups(PacketLoss(0.5, groups=99), groups=16)
    assert 0 < lost.float().mean() < 1


def test_units_lose_before_they_decode():
    """The rate is paid for all that is sent; the decoder sees what arrives, and its gradient too."""
    torch.manual_seed(0)
    unit = BottleneckUnit(8, 4, 1, 0.05, (4, 4))
    unit.losses = PrefixLoss(groups=4)
    feature = torch.randn(64, 8, 4, 4)
    before = len(unit.state_dict())
    assert unit.eval()(feature).feature.equal(unit.decode(unit(feature).latent))
    seen = []
    unit.decoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    out = unit.train()(feature)
    assert not seen[0].equal(out.latent)
    assert bool(out.latent[:, 3].abs().sum() > seen[0][:, 3].abs().sum())
    assert len(unit.state_dict()) == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PacketLoss(0.6), r"loss.rate=0.6 must be from 0 to 0.5"),
        (lambda: PacketLoss(-0.1), "loss.rate=-0.1"),
        (lambda: PrefixLoss(0), "loss.groups=0"),
    ],
)
def test_impossible_losses_are_refused(make, message):
    """The message names the configuration key."""
    with pytest.raises(ValueError, match=message):
        make()
