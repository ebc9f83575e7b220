"""Averages of weights are what a training leaves behind."""

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import ModelCheckpoint

import bottleneck
from bottleneck.data import Digits
from bottleneck.loss.density import DensityRate
from bottleneck.loss.objectives import FrozenLogits
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


class Stop(Callback):
    """Ends a training as a kill does, before an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            raise KeyError


@pytest.mark.slow
def test_an_interrupted_training_ends_as_one_that_was_not(digits_network, tmp_path):
    """Noise, mixed samples, averages, prices and rates are those of an undisturbed one, bit for bit."""
    images = Digits(train_limit=100, val_limit=50)
    images.setup()
    cut = bottleneck.Cut(digits_network, images, Classification(10), "layer2")
    unit = {"latent_channels": 4, "stride": 2, "step": 1.0}
    more = {"kind": "asymmetric", "rate": DensityRate, "objective": FrozenLogits(), "target_bytes": 5}
    point = bottleneck.OperatingPoint(unit, 1.0, **more)
    trainer = {"max_epochs": 2, "accelerator": "cpu", "enable_progress_bar": False}
    recipe = Recipe(average=0.9, cutmix=0.5, warm_epochs=1, settle_epochs=1, trainer=trainer)
    whole = bottleneck.train(cut, point, recipe)
    kept = ModelCheckpoint(tmp_path, save_last=True)
    with pytest.raises(KeyError):
        bottleneck.train(cut, point, recipe, callbacks=[kept, Stop(1)])
    resumed = bottleneck.train(cut, point, recipe, tmp_path / "last.ckpt")
    ended, again = whole.unit.state_dict(), resumed.unit.state_dict()
    assert all(torch.equal(ended[key], again[key]) for key in ended)
    assert whole.codec.to_dict() == resumed.codec.to_dict()
