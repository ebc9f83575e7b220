"""new tests, to be moved"""
import copy, importlib
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader
import bottleneck
from tests.plugin.test_callback import make_plugin, tensors_of, assert_same, in_order, export  # noqa

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*number of training batches",
    "ignore:.*sampler has shuffling enabled",
    "ignore:You defined a `validation_step`",
    "ignore:Found .* in eval mode",
    "ignore:You're using the WeightAveraging callback with a model that overrides",
)

def averaging(package, **options):
    return importlib.import_module(f"{package.__name__}.callbacks").EMAWeightAveraging(decay=0.9, **options)


def test_averaged_unit_is_kept(style, trainer_of, tmp_path):
    """With EMA the checkpoint has the averaged unit, tested and exported the same by a new plugin."""
    before = None
    plugin = make_plugin(style.at, step=0.01, codec="huffman")
    ema = averaging(style.package)
    states = []
    class Watch(style.package.Callback):
        def on_train_batch_end(self, trainer, pl_module, *_):
            states.append({k: v.clone() for k, v in plugin.unit.state_dict().items()})
        def on_fit_start(self, trainer, pl_module):
            self.frozen = {k: v.clone() for k, v in pl_module.state_dict().items() if not k.startswith("bottleneck_unit")}
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.save_checkpoint(tmp_path / "mid.ckpt")
    watch = Watch()
    trainer = trainer_of(style.package, plugin, ema, watch)
    trainer.fit(style.module, style.loader, style.loader)
    expected = {k: v.clone() for k, v in states[0].items()}
    for state in states[1:]:
        for name, value in state.items():
            expected[name] = (0.9 * expected[name] + 0.1 * value).to(value.dtype)
    saved = torch.load(tmp_path / "mid.ckpt", weights_only=True)
    for name, value in saved["bottleneck"]["weights"].items():
        torch.testing.assert_close(value, expected[name])
    assert any(not torch.equal(value, states[-1][name]) for name, value in saved["bottleneck"]["weights"].items())
    for name, value in plugin.unit.state_dict().items():
        torch.testing.assert_close(value, expected[name])
    for name, value in watch.frozen.items():
        assert torch.equal(saved["state_dict"][name], value), name
        assert torch.equal(style.module.state_dict()[name], value), name
    assert all(name.startswith("bottleneck_unit.") for name in saved["current_model_state"])
    if style.name == "plain":
        # resume
        resumed = make_plugin(style.at, step=0.01, codec="huffman")
        plugin.detach(style.module)
        again = averaging(style.package)
        t = trainer_of(style.package, resumed, again, max_epochs=2)
        t.fit(style.module, style.loader, style.loader, ckpt_path=tmp_path / "mid.ckpt")
        assert t.global_step == 16


def test_order(plain, trainer_of):
    """x"""
    with pytest.raises(ValueError, match="in front"):
        trainer_of(plain.package, averaging(plain.package), make_plugin()).fit(plain.module, plain.loader)

def test_swa(package, plain, trainer_of):
    """x"""
    swa = importlib.import_module(f"{plain.package.__name__}.callbacks").StochasticWeightAveraging(swa_lrs=1e-3)
    with pytest.raises(ValueError, match="statistics of every BatchNorm"):
        trainer_of(plain.package, make_plugin(), swa).fit(plain.module, plain.loader)

def test_numpy(plain, trainer_of, tmp_path):
    """x"""
    plugin = make_plugin(latent_channels=np.int64(8), step=np.float32(0.05), stride=np.int64(2), alpha=np.float64(3.0), kernel=np.int32(3))
    trainer = trainer_of(plain.package, plugin)
    trainer.fit(plain.module, plain.loader)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    torch.load(tmp_path / "a.ckpt", weights_only=True)
    export(plugin, trainer)
    plugin.detach(plain.module)
    trainer_of(plain.package, make_plugin(latent_channels=np.int64(8), step=np.float32(0.05), stride=np.int64(2), kernel=np.int32(3)), max_epochs=2).fit(plain.module, plain.loader, ckpt_path=tmp_path / "a.ckpt")

def test_single(plain, trainer_of):
    """x"""
    loader = DataLoader(torch.utils.data.Subset(plain.loader.dataset, range(33)), batch_size=32)
    plugin = make_plugin(stride=4)
    trainer_of(plain.package, plugin).fit(plain.module, loader)
    assert plugin.unit.latent_shape == (8, 1, 1)
    assert all(bool(v.isfinite().all()) for v in plugin.unit.state_dict().values())

@pytest.mark.parametrize("whole", [False, True])
def test_gc(plain, trainer_of, whole):
    """x"""
    results = []
    for on in (False, True):
        torch.manual_seed(0)
        module = copy.deepcopy(plain.module)
        if on:
            stage = module.stage
            if whole:
                inner = module.forward
                module.forward = lambda x, inner=inner: checkpoint(inner, x, use_reentrant=False)
            else:
                class C(nn.Module):
                    def __init__(s): super().__init__(); s.inner = stage
                    def forward(s, x): return checkpoint(s.inner, x, use_reentrant=False)
                module.stage = C()
        at = "stage.inner" if on and not whole else "stage"
        plugin = make_plugin(at)
        trainer = trainer_of(plain.package, plugin)
        trainer.fit(module, in_order(plain.loader))
        results.append({k: v for k, v in plugin.unit.state_dict().items() if "num_batches" not in k})
    assert_same(*results)

def test_gc_reentrant(plain, trainer_of):
    """x"""
    inner = plain.module.forward
    plain.module.forward = lambda x: checkpoint(inner, x.requires_grad_(), use_reentrant=True)
    with pytest.raises(ValueError, match="use_reentrant=False"):
        trainer_of(plain.package, make_plugin()).fit(plain.module, plain.loader)
