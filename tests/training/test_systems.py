"""Training: only the unit learns, and it does learn."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import seed_everything
from torch.utils.data import DataLoader, TensorDataset

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.loss import L1Rate, Loss
from bottleneck.loss.density import DensityRate
from bottleneck.loss.objectives import TaskLoss
from bottleneck.loss.several import SeveralLosses
from bottleneck.loss.target import ByteTarget
from bottleneck.splitting import split
from bottleneck.tasks import Classification
from bottleneck.training.schedules import cosine, one_cycle, with_schedule
from bottleneck.training.systems import BottleneckSystem
from bottleneck.unit import BottleneckUnit

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*number of training batches",
    "ignore:Found .* in eval mode",  # the frozen network
    "ignore:You defined a `validation_step`",  # some trainings here are too short to need validation
)


def make_system(network, alpha=1.0, scheduler=one_cycle):
    net = split(network, "layer2", torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
    unit = BottleneckUnit(64, 8, 2, 0.5, (4, 4))
    channel = Channel(codecs.create("range", shape=unit.latent_shape), unit)
    loss = Loss(L1Rate(unit.latent_shape, 64), alpha)
    optimizer = partial(torch.optim.Adam, lr=3e-3)
    return BottleneckSystem(channel, net, Classification(10), TaskLoss(), loss, optimizer, scheduler)


@pytest.fixture(scope="module")
def feature_loader(digits_network):
    from bottleneck.data import Digits

    samples = Digits(train_limit=300).subset("train")
    images = torch.stack([samples[i][0] for i in range(len(samples))])
    labels = torch.tensor([samples[i][1] for i in range(len(samples))])
    net = split(digits_network, "layer2", images[:1])
    with torch.no_grad():
        return DataLoader(TensorDataset(net.head(images), labels), batch_size=50)


@pytest.fixture
def fit(new_trainer):
    """Trains a system on a loader, and gives the Trainer."""

    def run(system, loader, epochs=3, ckpt_path=None, **options):
        trainer = new_trainer(max_epochs=epochs, **options)
        trainer.fit(system, loader, loader if options.get("limit_val_batches") else None, ckpt_path=ckpt_path)
        return trainer

    return run


def test_only_the_unit_changes(digits_network, feature_loader, fit):
    """Head and tail are bit-identical after training, buffers included; every unit parameter has moved."""
    system = make_system(digits_network)
    network_before = {key: value.clone() for key, value in digits_network.state_dict().items()}
    unit_before = {key: value.clone() for key, value in system.unit.named_parameters()}
    fit(system, feature_loader)
    for key, value in digits_network.state_dict().items():
        assert torch.equal(value, network_before[key]), key
    assert not any(torch.equal(value, unit_before[key]) for key, value in system.unit.named_parameters())


def test_loss_falls_and_larger_alpha_buys_rate(digits_network, feature_loader, fit):
    """Training lowers the loss, and a larger task weight ends at a higher rate."""
    rates = []
    for alpha in (0.1, 30.0):
        seed_everything(0, verbose=False)
        system = make_system(digits_network, alpha)
        feature, target = next(iter(feature_loader))
        with torch.no_grad():
            before, _, _ = system.terms((feature, target))
        fit(system, feature_loader, epochs=15)
        with torch.no_grad():
            after, _, _ = system.terms((feature, target))
        assert after.loss < before.loss
        rates.append(after.rate.item())
    assert rates[1] > 1.5 * rates[0]


def test_equal_seeds_give_equal_units(digits_network, feature_loader, fit):
    """Two trainings from the same seed end in bit-identical weights."""
    units = []
    for _ in range(2):
        seed_everything(7, verbose=False)
        system = make_system(digits_network)
        fit(system, feature_loader, epochs=2)
        units.append(system.unit.state_dict())
    assert all(torch.equal(units[0][key], units[1][key]) for key in units[0])


def test_loss_is_rate_plus_alpha_times_task(digits_network, feature_loader):
    """The loss is the sum that the paper writes, with alpha on the task."""
    system = make_system(digits_network, alpha=0.3).eval()
    feature, target = next(iter(feature_loader))
    sent = system.channel.quantised(feature)
    rate = sent.latent.abs().sum() / len(feature) / 64
    task = torch.nn.functional.cross_entropy(system.net.tail(sent.feature), target)
    torch.testing.assert_close(system.terms((feature, target))[0].loss, rate + 0.3 * task)


def test_symbols_do_not_depend_on_the_precision_of_a_training(digits_network, feature_loader):
    """In half precision around it, a unit rounds as it will where it is deployed."""
    system = make_system(digits_network).eval()
    feature, _ = next(iter(feature_loader))
    expected = system.sent(feature)
    with torch.autocast("cpu", torch.bfloat16):
        found = system.sent(feature)
    assert torch.equal(found.exact, expected.exact)


def test_validation_logs_metrics_and_entropy(digits_network, feature_loader, fit):
    """Validation logs losses, top-1, top-5 and the entropy of the symbols in bits per pixel."""
    trainer = fit(make_system(digits_network), feature_loader, epochs=1, limit_val_batches=1.0)
    logged = {key: value.item() for key, value in trainer.callback_metrics.items()}
    assert {"val/loss", "val/rate", "val/task_loss", "val/accuracy_top1", "val/accuracy_top5"} <= set(logged)
    assert 0 < logged["val/entropy_bpp"] < 8
    assert logged["val/accuracy_top1"] <= logged["val/accuracy_top5"] <= 1


def test_checkpoint_holds_the_unit_alone_and_resumes(digits_network, feature_loader, fit, tmp_path):
    """A checkpoint is small, and training goes on from it as if it had never stopped."""

    def train(epochs, ckpt_path=None, save=None):
        seed_everything(3, verbose=False)
        system = make_system(digits_network, scheduler=None)
        trainer = fit(system, feature_loader, epochs, ckpt_path)
        if save:
            trainer.save_checkpoint(save)
        return system.unit.state_dict()

    whole = train(4)
    train(2, save=tmp_path / "half.ckpt")
    state = torch.load(tmp_path / "half.ckpt", weights_only=True)["state_dict"]
    assert all(key.startswith("unit.") for key in state)
    resumed = train(4, ckpt_path=tmp_path / "half.ckpt")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_price_of_a_target_is_resumed(digits_network, feature_loader, fit, tmp_path):
    """A training that asks for bytes goes on at the price that it had come to, for each of several rates."""

    def targeted(several):
        system = make_system(digits_network)
        losses = [
            Loss(DensityRate(system.unit.latent_shape, 64), 1.0, ByteTarget(wanted)) for wanted in (9, 3)
        ]
        system.loss = SeveralLosses(losses) if several else losses[0]
        return system

    for several in (False, True):
        system = targeted(several)
        fit(system, feature_loader, 2).save_checkpoint(tmp_path / "two.ckpt")
        resumed = targeted(several)
        assert resumed.loss.steering() != system.loss.steering()
        fit(resumed, feature_loader, 2, tmp_path / "two.ckpt")
        assert resumed.loss.steering() == system.loss.steering()


@pytest.mark.parametrize("alpha", [-1, "abc", float("nan")])
def test_alpha_that_is_no_weight_is_refused(digits_network, alpha):
    """A negative alpha, NaN or text is refused before anything is trained."""
    with pytest.raises(ValueError, match="alpha="):
        make_system(digits_network, alpha)


@pytest.mark.parametrize(("schedule", "first", "last"), [(one_cycle, 0.04, 1e-5), (cosine, 1.0, 1e-3)])
def test_schedules_peak_at_the_optimizers_lr(schedule, first, last):
    """Both schedules have the optimizer's rate as their peak and end near zero."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = schedule(optimizer, total_steps=100)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if len(rates) < 100 else None
    assert max(rates) == pytest.approx(2.0, rel=1e-2)
    assert rates[0] == pytest.approx(2 * first, rel=0.05)
    assert rates[-1] < 2 * last


def test_schedule_without_an_end_is_refused():
    """A training without a last step has no schedule; the message says what to set."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    endless = SimpleNamespace(estimated_stepping_batches=float("inf"))
    assert with_schedule(optimizer, None, endless) is optimizer
    with pytest.raises(ValueError, match="max_epochs or max_steps"):
        with_schedule(optimizer, cosine, endless)
