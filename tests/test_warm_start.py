"""Warm start: the unit matches the frozen feature, without labels and without the tail."""

from functools import partial

import pytest
import torch
from pytorch_lightning import Trainer
from torch.utils.data import DataLoader, TensorDataset

from bottleneck.rate import L1Rate
from bottleneck.schedules import one_cycle
from bottleneck.unit import BottleneckUnit
from bottleneck.warm_start import WarmStart

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*number of training batches"
)
FEATURES = torch.randn(64, 6, 4, 4, generator=torch.Generator().manual_seed(0)).relu()


def matching(layout="CHW", alpha=1.0):
    torch.manual_seed(0)
    unit = BottleneckUnit(6, 6, 1, 0.05, (4, 4), layout=layout)
    optimizer = partial(torch.optim.Adam, lr=1e-2)
    return WarmStart(unit, L1Rate(), alpha, 1024, optimizer, one_cycle)


def test_error_counts_each_channel_by_its_own_variance():
    """Means alone have error 1 and the feature itself 0, whatever the channels' sizes."""
    scale = torch.tensor([1, 2, 8, 1, 0.5, 3]).reshape(-1, 1, 1)
    features = FEATURES * scale
    means = features.mean((0, 2, 3), keepdim=True).expand_as(features)
    assert matching().error(means, features).item() == pytest.approx(1, abs=1e-4)
    assert matching().error(features, features) == 0


def test_error_finds_the_channels_of_either_layout():
    """A channels-last feature has the error of its channels-first self."""
    other = FEATURES.flip(0)
    last = matching("HWC").error(other.permute(0, 2, 3, 1), FEATURES.permute(0, 2, 3, 1))
    assert last.item() == pytest.approx(matching().error(other, FEATURES).item())


def test_constant_channels_do_not_dominate():
    """A dead channel that is reproduced nearly does not outweigh all others."""
    features = FEATURES.clone()
    features[:, 0] = 0.5
    assert matching().error(features + 0.01, features) < 0.1


def test_training_reproduces_the_feature(tmp_path):
    """After some epochs a wide unit with a small step has clearly less error than means alone have."""
    system = matching(alpha=1e3)
    loader = DataLoader(TensorDataset(FEATURES, torch.zeros(64)), batch_size=16, shuffle=True)
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(max_epochs=40, accelerator="cpu", default_root_dir=tmp_path, **options)
    trainer.fit(system, loader)
    unit = system.unit.eval()
    assert system.error(unit(FEATURES).feature, FEATURES) < 0.75
