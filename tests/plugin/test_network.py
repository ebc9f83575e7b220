"""The network around a split point: what can be exported."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from tests.plugin.helpers import QUIET, make_plugin

pytestmark = QUIET


def test_a_cut_that_is_not_closed_trains_but_warns(pl, trainer_of, tmp_path):
    """Behind one branch of many a bottleneck can be measured, not deployed; that is said before training."""
    from torchvision.models import resnet18

    class Branch(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = resnet18(num_classes=10)

        def training_step(self, batch, batch_idx):
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    module, plugin = Branch(), make_plugin("model.layer1.0.conv1")
    loader = DataLoader([(torch.rand(3, 32, 32), 0)] * 4, batch_size=2)
    with pytest.warns(UserWarning, match="can be trained, but not exported.*not a closed cut"):
        trainer_of(pl, plugin).fit(module, loader)
    with pytest.raises(ValueError, match="not a closed cut"):
        plugin.export(tmp_path)
