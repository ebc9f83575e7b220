"""The bottleneck in checkpoints of somebody else's module."""

import importlib

import pytest
import torch

from bottleneck.deploy.bundle import Bundle
from bottleneck.training.checkpoint import take
from tests.plugin.helpers import QUIET, assert_same, in_order, make_plugin, tensors_of

pytestmark = QUIET


def test_checkpoint_is_theirs_plus_one_entry_and_resumes(plain, trainer_of, tmp_path):
    """`state_dict` has their keys alone; training goes on from it as if it had never stopped."""
    loader = in_order(plain.loader)

    def train(epochs, ckpt_path=None):
        torch.manual_seed(3)
        plugin = make_plugin()
        trainer = trainer_of(plain.package, plugin, max_epochs=epochs)
        trainer.fit(plain.module, loader, ckpt_path=ckpt_path)
        trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
        plugin.detach(plain.module)
        return plugin.unit.state_dict()

    whole = train(4)
    train(2)
    checkpoint = torch.load(tmp_path / "2.ckpt", weights_only=True)
    assert list(checkpoint["state_dict"]) == list(plain.module.state_dict())
    assert set(checkpoint["bottleneck"]["weights"]) == set(whole)
    assert_same(whole, train(4, ckpt_path=tmp_path / "2.ckpt"))
    type(plain.module).load_from_checkpoint(tmp_path / "2.ckpt")  # strict, and without the plugin


def test_checkpoint_is_tested_and_exported_by_a_new_plugin(plain, trainer_of, tmp_path):
    """A fresh plugin and Trainer test from `ckpt_path` alone, with the same bytes, and export the same."""
    first = make_plugin()
    trainer = trainer_of(plain.package, first)
    trainer.fit(plain.module, plain.loader)
    trainer.save_checkpoint(tmp_path / "weights.ckpt", weights_only=True)
    (logged,) = trainer.test(plain.module, in_order(plain.loader), verbose=False)
    first.export(tmp_path / "first")
    first.detach(plain.module)

    second = make_plugin()
    trainer = trainer_of(plain.package, second)
    (again,) = trainer.test(
        plain.module, in_order(plain.loader), ckpt_path=tmp_path / "weights.ckpt", verbose=False
    )
    assert again == logged
    second.export(tmp_path / "second")
    assert Bundle.read(tmp_path / "first").id == Bundle.read(tmp_path / "second").id
    second.detach(plain.module)

    other = trainer_of(plain.package, make_plugin(step=1.0))
    with pytest.raises(ValueError, match=r"has \{'step': 0.05\}, this training \{'step': 1.0\}"):
        other.test(plain.module, plain.loader, ckpt_path=tmp_path / "weights.ckpt", verbose=False)


def test_checkpoint_without_a_bottleneck_is_refused(plain, trainer_of, tmp_path):
    """The checkpoint of their own training is no bottleneck's; the message says what to do with it."""
    trainer = trainer_of(plain.package)
    trainer.fit(plain.module, plain.loader)
    trainer.save_checkpoint(tmp_path / "theirs.ckpt")
    with pytest.raises(ValueError, match=r"without a bottleneck.*load_from_checkpoint"):
        trainer_of(plain.package, make_plugin()).fit(
            plain.module, plain.loader, ckpt_path=tmp_path / "theirs.ckpt"
        )


def test_checkpoints_of_the_first_release_are_read(plain, trainer_of, tmp_path):
    """Release 0.1 wrote no `rate`; its checkpoints give the same bytes, and training goes on from them."""
    plugin = make_plugin()
    trainer = trainer_of(plain.package, plugin)
    trainer.fit(plain.module, plain.loader)
    (logged,) = trainer.test(plain.module, in_order(plain.loader), verbose=False)
    trainer.save_checkpoint(tmp_path / "saved.ckpt")
    plugin.detach(plain.module)
    saved = torch.load(tmp_path / "saved.ckpt", weights_only=True)
    kept = ("at", "unit", "weights", "codec", "image_shape", "image_dtype")
    assert set(saved["bottleneck"]) == {*kept, "rate"}
    saved["bottleneck"] = {name: saved["bottleneck"][name] for name in kept}
    torch.save(saved, tmp_path / "old.ckpt")
    again = make_plugin()
    trainer = trainer_of(plain.package, again, max_epochs=2)
    assert trainer.test(
        plain.module, in_order(plain.loader), ckpt_path=tmp_path / "old.ckpt", verbose=False
    ) == [logged]
    trainer.fit(plain.module, plain.loader, ckpt_path=tmp_path / "old.ckpt")
    assert trainer.global_step == 16


@pytest.mark.sampled(2)
def test_averaged_unit_is_what_is_kept(style, trainer_of, tmp_path):
    """With EMA the unit's average is saved and resumed; the network keeps every bit, and is saved once."""
    states, before = [], {}
    plugin = make_plugin(style.at, step=0.01, codec="huffman")

    class Watch(style.package.Callback):
        def on_fit_start(self, trainer, pl_module):
            state = tensors_of(pl_module).items()
            before.update({name: tensor for name, tensor in state if not name.startswith("bottleneck_unit.")})

        def on_train_batch_end(self, trainer, pl_module, *_):
            states.append(tensors_of(plugin.unit))

        def on_train_epoch_end(self, trainer, pl_module):
            trainer.save_checkpoint(tmp_path / "averaged.ckpt")

    def averaging():
        return importlib.import_module(f"{style.package.__name__}.callbacks").EMAWeightAveraging(decay=0.9)

    trainer_of(style.package, plugin, averaging(), Watch()).fit(style.module, style.loader, style.loader)
    average = states[0]
    for state in states[1:]:
        average = {name: (0.9 * average[name] + 0.1 * state[name]).to(state[name].dtype) for name in state}
    saved = torch.load(tmp_path / "averaged.ckpt", weights_only=True)
    torch.testing.assert_close(saved["bottleneck"]["weights"], average)
    torch.testing.assert_close(dict(plugin.unit.state_dict()), average)
    assert_same(before, saved["state_dict"])
    assert all(name.startswith("bottleneck_unit.unit.") for name in saved["current_model_state"])
    plugin.detach(style.module)
    assert_same(before, style.module.state_dict())

    assert_same(saved["bottleneck"]["weights"], take(saved).unit.state_dict())
    resumed = make_plugin(style.at, step=0.01, codec="huffman")
    trainer = trainer_of(style.package, resumed, averaging(), max_epochs=2)
    trainer.fit(style.module, style.loader, ckpt_path=tmp_path / "averaged.ckpt")
    assert trainer.global_step == 2 * len(style.loader)


def test_integers_of_the_network_are_not_averaged(plain, trainer_of):
    """An index among the network's buffers, as Swin has, is still itself while averaged weights validate."""
    index = torch.arange(200)
    plain.module.register_buffer("index", index.clone())
    seen = []

    class Watch(plain.package.Callback):
        def on_validation_batch_start(self, trainer, pl_module, *_):
            seen.append(torch.equal(pl_module.index, index))

    averaging = plain.package.callbacks.EMAWeightAveraging(decay=0.9)
    trainer = trainer_of(plain.package, make_plugin(), averaging, Watch())
    trainer.fit(plain.module, plain.loader, plain.loader)
    assert seen
    assert all(seen)
    assert torch.equal(plain.module.index, index)
