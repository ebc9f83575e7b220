"""Warm start: the unit matches the frozen feature, without labels and without the tail."""

from functools import partial

import pytest
import torch
from pytorch_lightning import Trainer
from torch.utils.data import DataLoader, TensorDataset

from bottleneck.loss.objectives import relative_error
from bottleneck.loss.rates import L1Rate
from bottleneck.training.schedules import one_cycle
from bottleneck.unit import BottleneckUnit
from bottleneck.training.warm_start import WarmStart

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*number of training batches"
)
FEATURES = torch.randn(64, 6, 4, 4, generator=torch.Generator().manual_seed(0)).relu()


@pytest.mark.parametrize("layout", ["CHW", "HWC"])
def test_training_reproduces_the_feature(tmp_path, layout):
    """After some epochs a wide unit with a small step has clearly less error than means alone have."""
    torch.manual_seed(0)
    features = FEATURES if layout == "CHW" else FEATURES.permute(0, 2, 3, 1).contiguous()
    unit = BottleneckUnit(6, 6, 1, 0.05, (4, 4), layout=layout)
    system = WarmStart(unit, L1Rate(), 1e3, 1024, partial(torch.optim.Adam, lr=1e-2), one_cycle)
    loader = DataLoader(TensorDataset(features, torch.zeros(64)), batch_size=16, shuffle=True)
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    Trainer(max_epochs=40, accelerator="cpu", default_root_dir=tmp_path, **options).fit(system, loader)
    axis = 1 if layout == "CHW" else 3
    assert relative_error(unit.eval()(features).feature, features, axis) < 0.75
