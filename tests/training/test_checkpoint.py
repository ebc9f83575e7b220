"""The bottleneck in checkpoints of a training at a cut."""

from functools import partial

import pytest
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.loss import L1Rate, Loss
from bottleneck.loss.objectives import TaskLoss
from bottleneck.splitting import split
from bottleneck.tasks import Classification
from bottleneck.training.checkpoint import ENTRY, take
from bottleneck.training.systems import BottleneckSystem
from bottleneck.unit import BottleneckUnit

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*number of training batches",
    "ignore:Found .* in eval mode",  # the frozen network
)


def make_system(step=0.5):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(8), nn.Flatten()
    )
    network.append(nn.Linear(8, 10))
    net = split(network, "2", torch.zeros(1, 1, 8, 8))
    unit = BottleneckUnit(8, 4, 2, step, (8, 8))
    channel = Channel(codecs.create("range", shape=unit.latent_shape), unit)
    loss = Loss(L1Rate(unit.latent_shape, 64), 3.0)
    optimizer = partial(torch.optim.Adam, lr=3e-3)
    return BottleneckSystem(
        channel, net, task=Classification(10), objective=TaskLoss(), loss=loss, optimizer=optimizer
    )


@pytest.fixture
def fit(new_trainer, tmp_path):
    """Trains a system, and reads the checkpoint that it leaves as `<epochs>.ckpt`."""

    def run(system, epochs=1, callbacks=(), ckpt_path=None):
        generator = torch.Generator().manual_seed(0)
        features = torch.randn(32, 8, 8, 8, generator=generator).relu()
        loader = DataLoader(TensorDataset(features, torch.arange(32) % 10), batch_size=8)
        trainer = new_trainer(max_epochs=epochs, callbacks=list(callbacks))
        trainer.fit(system, loader, loader, ckpt_path=ckpt_path)
        trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
        return torch.load(tmp_path / f"{epochs}.ckpt", weights_only=True)

    return run


def assert_same(first, second):
    assert list(first) == list(second)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_entry_makes_the_unit_again(fit):
    """What the plugin writes is written here as well: from the entry alone the trained unit is made."""
    system = make_system()
    saved = take(fit(system))
    assert saved.at == "2"
    assert saved.unit.options == system.unit.options
    assert saved.channel.codec.to_dict() == system.channel.codec.to_dict()
    assert_same(system.unit.state_dict(), saved.unit.state_dict())


def test_checkpoint_of_the_first_release_resumes(fit, tmp_path):
    """Release 0.1 wrote nothing but `unit.*`: training goes on from it, and reading it alone is refused."""
    checkpoint = fit(make_system())
    del checkpoint[ENTRY]
    assert all(name.startswith("unit.") for name in checkpoint["state_dict"])
    torch.save(checkpoint, tmp_path / "old.ckpt")
    with pytest.raises(ValueError, match=r"release 0\.1.*Resume"):
        take(checkpoint)
    whole = fit(make_system(), epochs=2)
    assert_same(whole["state_dict"], fit(make_system(), 2, (), tmp_path / "old.ckpt")["state_dict"])


def test_checkpoint_of_another_unit_is_refused(fit, tmp_path):
    """A step is in no tensor; resuming with another one is told all the same."""
    fit(make_system())
    with pytest.raises(ValueError, match=r"has \{'step': 0.5\}, this training \{'step': 2.0\}"):
        fit(make_system(2.0), 2, (), tmp_path / "1.ckpt")


def test_averaged_unit_is_kept_and_the_network_is_not(fit, tmp_path):
    """With EMA no part of a checkpoint has the frozen network, the entry has the average, and it resumes."""
    system, states = make_system(), []
    before = {name: tensor.clone() for name, tensor in system.net.state_dict().items()}

    class Watch(EMAWeightAveraging):
        def on_train_batch_end(self, trainer, pl_module, *rest):
            states.append({name: t.clone() for name, t in pl_module.unit.state_dict().items()})
            super().on_train_batch_end(trainer, pl_module, *rest)

    saved = fit(system, callbacks=[Watch(decay=0.9)])
    average = states[0]
    for state in states[1:]:
        average = {name: (0.9 * average[name] + 0.1 * state[name]).to(state[name].dtype) for name in state}
    torch.testing.assert_close(take(saved).unit.state_dict(), average, check_dtype=False)
    assert not torch.equal(average["encoder.0.weight"], states[-1]["encoder.0.weight"])
    held = [name for part in saved.values() if isinstance(part, dict) for name in part]
    assert "unit.encoder.0.weight" in held
    assert not [name for name in held if str(name).startswith(("net.", "module."))]
    assert_same(before, system.net.state_dict())

    resumed = make_system()
    assert fit(resumed, 2, [Watch(decay=0.9)], tmp_path / "1.ckpt")["global_step"] == 8
    assert_same(before, resumed.net.state_dict())
