"""Averages of weights are what a training leaves behind."""

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

import bottleneck
from bottleneck.data import Digits
from bottleneck.tasks import Classification
from bottleneck.training import Recipe

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def train(digits_network):
    """Train for some epochs, perhaps from a checkpoint; the unit and the network's weights at the end."""
    images = Digits(train_limit=200, val_limit=50)
    images.setup()
    cut = bottleneck.Cut(digits_network, images, Classification(10), "layer2")
    point = bottleneck.OperatingPoint({"latent_channels": 4, "stride": 2, "step": 0.5}, 10.0)

    def run(epochs, ckpt_path=None, save=None):
        options = {"max_epochs": epochs, "accelerator": "cpu", "enable_progress_bar": False}
        callbacks = [ModelCheckpoint(save.parent, save.stem)] if save else []
        recipe = Recipe(average=0.9, trainer=options)
        channel = bottleneck.train(cut, point, recipe, ckpt_path, callbacks=callbacks)
        return channel.unit.state_dict(), cut.net.state_dict()

    return run


def test_a_resumed_training_without_a_step_left_ends_in_the_average(train, tmp_path):
    """Its unit is what the training was left with, and the frozen network is as it was."""
    ended, network = train(3, save=tmp_path / "three.ckpt")
    again, after = train(3, ckpt_path=tmp_path / "three.ckpt")
    assert all(torch.equal(ended[key], again[key]) for key in ended)
    assert all(torch.equal(network[key], after[key]) for key in network)
