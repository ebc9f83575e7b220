"""The bar of a training says what is trained."""

import importlib
import logging
import re
import sys

import lightning_utilities.core.rank_zero
import pytest
import torch
from pytorch_lightning import LightningModule
from torch.utils.data import DataLoader, TensorDataset

from bottleneck.training import Recipe


class Line(LightningModule):
    """A line through points, on which steps are cheap."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        loss = self.line(batch[0]).square().mean()
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def trained(bar=lambda bar: None):
    """Train a line for three epochs of two batches, `bar` called with the bar before."""
    data = DataLoader(TensorDataset(torch.ones(8, 1)), batch_size=4)
    trainer = Recipe(
        trainer={"max_epochs": 3, "accelerator": "cpu", "enable_model_summary": False}
    ).new_trainer(stage="Settling")
    bar(trainer.progress_bar_callback)
    trainer.fit(Line(), data)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("package", ["pytorch_lightning", "lightning.pytorch"])
def test_bar_names_stage_epoch_and_loss_and_nothing_else_is_said(package, capfd, caplog, monkeypatch):
    """One line on stderr, whole at its end; Lightning, by either name, neither greets nor advertises."""
    importlib.import_module(package)
    logger = logging.getLogger(f"{package}.utilities.rank_zero")  # as it is where this package came last
    monkeypatch.setattr(lightning_utilities.core.rank_zero, "log", logger)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    trained()
    told = capfd.readouterr()
    last = told.err.strip().split("\r")[-1]
    assert last.startswith("Settling, epoch 3 of 3: 100%")
    assert "6/6" in last
    assert re.search(r"loss \d", last)
    assert "available" not in told.out + told.err + caplog.text
    assert "Tip" not in told.out + told.err + caplog.text


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bar_hides_where_lightning_asks_for_it(capfd, monkeypatch):
    """A further process of a training disables its bar and trains; enabled again, it is shown."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    trained(lambda bar: bar.disable())
    assert "Settling" not in capfd.readouterr().err
    trained(lambda bar: (bar.disable(), bar.enable()))
    assert "Settling" in capfd.readouterr().err
