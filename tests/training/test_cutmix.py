"""CutMix at the cut: rectangles of maps change places, and nobody reads a label."""

import pytest
import torch

import bottleneck
from bottleneck.cut import Cut
from bottleneck.data import Digits
from bottleneck.layouts import Layout
from bottleneck.loss import OperatingPoint
from bottleneck.loss.objectives import FrozenLogits
from bottleneck.tasks import Classification
from bottleneck.training import Recipe
from bottleneck.training.cutmix import check_cutmix, cutmix

TRAINER = {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False, "enable_checkpointing": False}


@pytest.mark.parametrize("layout", ["CHW", "HWC"])
def test_mixed_maps_hold_a_rectangle_of_another(layout):
    """Each place shows one sample in all channels; what is another's is one rectangle; half are mixed."""
    torch.manual_seed(0)
    shape = {"C": 5, "H": 8, "W": 6}
    maps = torch.arange(400.0).reshape(-1, 1, 1, 1).expand(-1, *(shape[axis] for axis in layout))
    mixed = Layout(layout).channels_first(cutmix(maps, 0.5, Layout(layout)))
    assert torch.equal(mixed, mixed[:, :1].expand_as(mixed))
    foreign = mixed[:, 0] != torch.arange(400.0).reshape(-1, 1, 1)
    box = foreign.any(2, keepdim=True) & foreign.any(1, keepdim=True)
    assert torch.equal(foreign, box)
    values = [found.unique().numel() for found in mixed]
    assert max(values) == 2
    assert 0.35 < foreign.flatten(1).any(1).float().mean() < 0.55
    assert 0.2 < foreign.float().mean() / foreign.flatten(1).any(1).float().mean() < 0.6


def test_nothing_is_mixed_without_a_share():
    """A share of zero gives the batch back."""
    maps = torch.randn(7, 3, 4, 4)
    assert torch.equal(cutmix(maps, 0.0, Layout("CHW")), maps)


@pytest.fixture(scope="module")
def cut(digits_network):
    images = Digits(train_limit=100, val_limit=50)
    images.setup()
    return Cut(digits_network, images, Classification(10), "layer2")


def point(**options):
    return OperatingPoint(
        **{"unit": {"latent_channels": 8, "stride": 2, "step": 0.5}, "alpha": 10.0, **options}
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_training_meets_mixed_features(cut):
    """Where samples are mixed, training sees other features and goes elsewhere, equally for equal seeds."""
    ends = []
    for share in (0.0, 0.5, 0.5):
        recipe = Recipe(cutmix=share, trainer=TRAINER)
        channel = bottleneck.train(cut, point(objective=FrozenLogits()), recipe)
        ends.append(torch.cat([p.flatten() for p in channel.unit.parameters()]))
    assert not torch.equal(ends[0], ends[1])
    assert torch.equal(ends[1], ends[2])


def test_labels_are_not_mixed(cut):
    """An objective that reads labels is refused before anything is trained."""
    with pytest.raises(ValueError, match=r"cutmix=0.5 .* no label holds .* objective=logits"):
        bottleneck.train(cut, point(), Recipe(cutmix=0.5, trainer=TRAINER))


def test_sequences_are_not_mixed():
    """A feature without height and width is refused."""
    with pytest.raises(ValueError, match=r"cutmix=0.5 .* layout LC .* another split"):
        check_cutmix(0.5, Layout("LC"), FrozenLogits())


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_share_is_one(share):
    """A share beyond 0 and 1 is refused with its key."""
    with pytest.raises(ValueError, match=rf"cutmix={share} .* from 0 to 1"):
        Recipe(cutmix=share)
