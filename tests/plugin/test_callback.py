"""The plugin in other people's training: what it adds, what it leaves alone, and what it exports."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bottleneck
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.choose import candidates
from bottleneck.loss.density import DensityRate
from bottleneck.runtime.device.routes import Fixed
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.training.schedules import cosine
from tests.plugin.helpers import QUIET, assert_same, export, in_order, make_plugin, tensors_of

pytestmark = QUIET


@pytest.mark.sampled(2)
def test_every_style_of_both_packages_trains_codes_and_exports(style, trainer_of, tmp_path):
    """A module that has never heard of us is fitted, tested through real bytes, exported and loaded."""
    before = tensors_of(style.module)
    # Huffman, because the range coder needs no byte for the zeros that an untrained network leads to.
    plugin = make_plugin(style.at, scheduler=cosine, codec="huffman")
    trainer = trainer_of(style.package, plugin)
    trainer.fit(style.module, style.loader, style.loader)
    assert {"train/rate", "train/task_loss", "val/bpp", "val/payload_bytes"} <= set(trainer.callback_metrics)
    (logged,) = trainer.test(style.module, style.loader, verbose=False)
    height, width = next(iter(style.loader))[0].shape[-2:]
    assert logged["test/payload_bytes"] >= 1
    assert logged["test/bpp"] == pytest.approx(8 * logged["test/payload_bytes"] / (height * width))
    plugin.export(tmp_path / "bundle")
    plugin.detach(style.module)
    after = style.module.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    bundle = Bundle.read(tmp_path / "bundle")
    network = style.module.get_submodule(bundle.model["network"])
    device, server = bottleneck.load(tmp_path / "bundle", network)
    image = next(iter(style.loader))[0][0]
    output, expected = server(device(image.numpy())), network.eval()(image[None])
    assert output.shape == expected.shape


def test_plugin_is_a_callback_of_both_packages(package):
    """Either Trainer takes it as one of its own, alone or in a list."""
    plugin = make_plugin()
    assert plugin in package.Trainer(callbacks=plugin, logger=False).callbacks
    assert isinstance(plugin, package.Callback)


def test_everything_but_the_unit_is_frozen(plain, trainer_of):
    """The module's parameters and buffers are bit-identical after training; all of the unit's have moved."""
    before, untrained = tensors_of(plain.module), {}
    plugin = make_plugin()

    class Remember(plain.package.Callback):
        def on_train_start(self, trainer, pl_module):
            untrained.update({name: p.clone() for name, p in plugin.unit.named_parameters()})

    trainer_of(plain.package, plugin, Remember()).fit(plain.module, plain.loader)
    moved = dict(plugin.unit.named_parameters())
    assert untrained
    assert not any(torch.equal(moved[name], tensor) for name, tensor in untrained.items())
    plugin.detach(plain.module)
    assert_same(before, tensors_of(plain.module))


def test_network_is_in_eval_mode_and_learns_nothing_but_the_unit(plain, trainer_of):
    """In their training_step dropout and BatchNorm are in eval mode; the optimizer has the unit alone."""
    plugin, modes = make_plugin(), []

    class Watch(plain.package.Callback):
        def on_before_backward(self, trainer, pl_module, loss):
            modes.append((pl_module.dropout.training, pl_module.stem[1].training, plugin.unit.training))

        def on_train_start(self, trainer, pl_module):
            (optimizer,) = trainer.optimizers
            learnt = {id(p) for group in optimizer.param_groups for p in group["params"]}
            assert learnt == {id(p) for p in plugin.unit.parameters()}

        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            assert all(p.grad is None for p in pl_module.stem.parameters())
            assert all(p.grad is None for p in pl_module.fc.parameters())  # gradients pass, none is kept

    trainer_of(plain.package, plugin, Watch()).fit(plain.module, plain.loader)
    assert set(modes) == {(False, False, True)}


def test_loss_is_rate_plus_alpha_times_theirs(plain, trainer_of):
    """What is minimised is the paper's sum, with their loss unscaled in the log."""
    seen = []

    class Watch(plain.package.Callback):
        def on_before_backward(self, trainer, pl_module, loss):
            seen.append(loss.item())

    plugin = make_plugin(alpha=0.25)
    trainer_of(plain.package, plugin, Watch()).fit(plain.module, plain.loader)
    logged = plain.module.trainer.callback_metrics
    assert seen[-1] == pytest.approx(float(logged["train/rate"] + 0.25 * logged["train/task_loss"]), rel=1e-5)


def test_training_helps_and_payloads_are_counted_bytes(plain, trainer_of):
    """After training the network through the bytes is nearly what it was, and bpp is that of those bytes."""
    trainer_of(plain.package, max_epochs=20).fit(plain.module, plain.loader)
    images, labels = plain.loader.dataset.tensors
    with torch.no_grad():
        frozen = (plain.module.eval()(images).argmax(1) == labels).float().mean().item()
    plugin = make_plugin(
        alpha=30.0, optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-2), step=0.2
    )
    trainer = trainer_of(plain.package, plugin, max_epochs=25)
    trainer.fit(plain.module, plain.loader)
    (logged,) = trainer.test(plain.module, in_order(plain.loader), verbose=False)
    assert frozen > 0.8
    assert logged["accuracy"] > frozen - 0.1

    codec = Bundle.read(export(plugin, trainer)).codec
    plain.module.eval()
    with torch.no_grad():
        symbols = plugin.unit.symbols(plain.module.stage(plain.module.stem(images))).numpy()
    sizes = [len(codec.encode(sample)) for sample in symbols]
    assert logged["test/payload_bytes"] == pytest.approx(sum(sizes) / len(sizes))


def test_deployed_halves_give_what_the_test_saw(plain, trainer_of):
    """Device and server of the bundle give the very outputs that the Trainer's prediction gave."""
    plugin = make_plugin()
    trainer = trainer_of(plain.package, plugin)
    trainer.fit(plain.module, plain.loader)
    outputs = torch.cat(trainer.predict(plain.module, in_order(plain.loader)))
    folder = export(plugin, trainer)
    device, server = bottleneck.load(folder, plain.module)  # still attached: outside the Trainer it is theirs
    for image, expected in zip(plain.loader.dataset.tensors[0][:20], outputs, strict=False):
        torch.testing.assert_close(server(device(image))[0], expected)


def test_module_is_itself_outside_the_trainer(plain, trainer_of):
    """Attached or not, calling the module gives what it gave before."""
    images = plain.loader.dataset.tensors[0]
    plain.module.eval()
    with torch.no_grad():
        before = plain.module(images)
        trainer_of(plain.package, make_plugin()).fit(plain.module, plain.loader)
        assert torch.equal(plain.module.eval()(images), before)


def test_gradients_accumulate(plain, trainer_of):
    """With accumulation the unit takes fewer steps, and two half batches are one whole but for BatchNorm."""
    trainer = trainer_of(plain.package, make_plugin(), accumulate_grad_batches=4)
    trainer.fit(plain.module, plain.loader)
    assert trainer.global_step == 2  # 8 batches


@pytest.mark.sampled(1)
@pytest.mark.parametrize("whole", [True, False])
def test_compiled_modules_train_as_uncompiled_ones(whole, plain, trainer_of):
    """torch.compile, of the module or of a part of it, changes neither the unit nor the bytes."""
    results = []
    for compiled in (False, True):
        torch.manual_seed(0)
        module = copy.deepcopy(plain.module)
        given = module
        if compiled and whole:
            given = torch.compile(module, backend="eager")
        elif compiled:
            module.stage.compile(backend="eager")
            module.stem.compile(backend="eager")
        plugin = make_plugin()
        trainer = trainer_of(plain.package, plugin)
        trainer.fit(given, in_order(plain.loader))
        results.append((trainer.test(given, in_order(plain.loader), verbose=False), plugin.unit.state_dict()))
        plugin.detach(module)
        with torch.no_grad():
            module.eval()(plain.loader.dataset.tensors[0])
    assert results[0][0] == results[1][0]
    assert_same(results[0][1], results[1][1])


def test_a_wrapped_part_is_named_through_its_wrapper(wrapping, plain, trainer_of):
    """A unit stands inside of what is compiled or parallel, by its whole name, which a refusal tells."""
    plain.module.stage = wrapping(plain.module.stage)
    whole = f"stage.{'_orig_mod' if hasattr(plain.module.stage, '_orig_mod') else 'module'}.0"
    with pytest.raises(ValueError, match=rf"at='stage.0' is no submodule.*Similar names: .*'{whole}'"):
        trainer_of(plain.package, make_plugin("stage.0")).fit(plain.module, plain.loader)
    plugin = make_plugin(whole)
    trainer = trainer_of(plain.package, plugin)
    trainer.fit(plain.module, plain.loader)
    folder = export(plugin, trainer)
    (expected,) = trainer.predict(plain.module, in_order(plain.loader))[0][:1]
    plugin.detach(plain.module)
    device, server = bottleneck.load(folder, plain.module)
    assert device.bundle.split == whole
    output = server(device(plain.loader.dataset.tensors[0][0].numpy()))
    torch.testing.assert_close(output[0], expected)


def test_a_second_fit_goes_on_and_another_module_is_refused(plain, trainer_of):
    """The unit stays in the module until it is detached; a plugin serves one module at a time."""
    plugin = make_plugin()
    trainer_of(plain.package, plugin).fit(plain.module, plain.loader)
    unit, before = plugin.unit, tensors_of(plugin.unit)
    trainer_of(plain.package, plugin).fit(plain.module, plain.loader)
    assert plugin.unit is unit
    assert any(not torch.equal(before[name], tensor) for name, tensor in unit.state_dict().items())
    other = copy.deepcopy(plain.module)
    with pytest.raises(ValueError, match="attached to another Plain"):
        trainer_of(plain.package, plugin).fit(other, plain.loader)
    with pytest.raises(ValueError, match="attached to another Plain"):
        plugin.detach(other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": "stge"}, r"at='stge' is no submodule of Plain. Similar names: \['stage'"),
        ({"at": ""}, "is the whole module"),
        ({"at": "fc"}, "needs one 4-D tensor"),
        ({"stride": 0}, "unit.stride=0"),
        ({"activation": "tanh"}, "unit.activation='tanh'"),
    ],
)
def test_wrong_arguments_are_named_before_training(options, message, plain, trainer_of):
    """Every mistake is told before the first step, and leaves no trace."""
    before = set(plain.module.__dict__)
    with pytest.raises(ValueError, match=message):
        trainer_of(plain.package, make_plugin(**options)).fit(plain.module, plain.loader)
    assert not {"training_step", "configure_model", "bottleneck_unit"} & (set(plain.module.__dict__) - before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -1}, "alpha=-1"),
        ({"codec": "jpeg"}, "codes pixels"),
        ({"kind": "wavelet"}, "kind 'wavelet'"),
        ({"kind": "slim"}, "kind='slim' replaces the module.*'depthwise'"),
        ({"actvation": "relu"}, r"unit.actvation is no option.*'activation'"),
    ],
)
def test_wrong_arguments_are_named_at_once(options, message):
    """What needs no module to be wrong is refused by the constructor."""
    with pytest.raises(ValueError, match=message):
        make_plugin(**options)


def test_nothing_is_measured_or_exported_before_training(plain, trainer_of, tmp_path):
    """Without a trained unit there is nothing to code with; the message says how to get one."""
    plugin = make_plugin()
    with pytest.raises(ValueError, match=r"no bottleneck to measure yet.*ckpt_path"):
        trainer_of(plain.package, plugin).test(plain.module, plain.loader, verbose=False)
    with pytest.raises(ValueError, match="no bottleneck to export yet"):
        plugin.export(tmp_path)


def test_a_frozen_tensor_that_changes_is_named(plain, trainer_of):
    """Code that writes to the frozen network while it trains is found out."""
    theirs = plain.module.training_step

    def step(batch, batch_idx):
        plain.module.stem[1].running_mean += 1
        return theirs(batch, batch_idx)

    plain.module.training_step = step
    with pytest.warns(UserWarning, match=r"changed during training: \['stem.1.running_mean'\]"):
        trainer_of(plain.package, make_plugin()).fit(plain.module, plain.loader)


def test_result_in_the_bundle_is_what_was_measured(plain, trainer_of):
    """The bundle says what the last validation or test measured."""
    plugin = make_plugin()
    trainer = trainer_of(plain.package, plugin)
    trainer.fit(plain.module, plain.loader, in_order(plain.loader))
    written = json.loads((export(plugin, trainer) / "bundle.json").read_text())
    assert written["result"]["val/bpp"] == pytest.approx(float(trainer.callback_metrics["val/bpp"]))
    assert written["preprocessing"] is None


@pytest.mark.slow
def test_two_processes_train_one_unit(tmp_path):
    """DDP on two CPU processes: equal units and tables, nothing frozen changes, bytes of all are counted."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("ddp.py")), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    reports = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    assert reports[0]["unit"] == reports[1]["unit"]
    assert reports[0]["codec"] == reports[1]["codec"]
    assert reports[0]["batches"] != reports[1]["batches"]
    assert all(report["frozen"] for report in reports)
    assert reports[0]["payload_bytes"] == pytest.approx(
        sum(sum(r["sizes"]) for r in reports) / sum(len(r["sizes"]) for r in reports)
    )
    assert Bundle.read(tmp_path / "bundle").codec.fitted


@pytest.mark.slow
def test_inductor_compiles_around_the_channel(plain, trainer_of):
    """The default compiler works as well; the graph breaks at the split point, where bytes are made."""
    plugin = make_plugin()
    trainer = trainer_of(plain.package, plugin, limit_train_batches=2)
    compiled = torch.compile(plain.module)
    trainer.fit(compiled, plain.loader)
    (logged,) = trainer.test(compiled, in_order(plain.loader), verbose=False)
    assert logged["test/bpp"] > 0


def test_tokens_of_a_transformer_are_sent_by_their_kind(plain, trainer_of, tmp_path):
    """`kind="tokens"` sends a module's sequences through a token unit; the bundle runs on both sides."""

    class Sequences(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = torch.nn.Conv2d(1, 16, 2, 2)

        def forward(self, x):
            return self.patches(x).flatten(2).transpose(1, 2)

    class Pooled(torch.nn.Module):
        def forward(self, x):
            return x.mean(1)[:, :, None, None].expand(-1, -1, 1, 1).repeat(1, 2, 1, 1)

    module = plain.module
    module.stem, module.stage = Sequences(), Pooled()
    plugin = make_plugin("stem", kind="tokens", codec="huffman")
    trainer = trainer_of(plain.package, plugin)
    trainer.fit(module, plain.loader)
    (logged,) = trainer.test(module, plain.loader, verbose=False)
    assert logged["test/payload_bytes"] >= 1
    assert (plugin.unit.kind, plugin.unit.layout) == ("tokens", "LC")
    plugin.export(tmp_path / "bundle")
    plugin.detach(module)
    device, server = bottleneck.load(tmp_path / "bundle", module)
    assert server(device(next(iter(plain.loader))[0][0].numpy())).shape == (1, 10)


def test_a_rate_that_learns_is_trained_and_kept(plain, trainer_of, tmp_path):
    """Its parameters move with the unit's; a checkpoint has them, and training goes on from there."""
    loader = in_order(plain.loader)

    def train(epochs, rate, ckpt_path=None):
        torch.manual_seed(3)
        plugin = make_plugin(rate=rate)
        trainer = trainer_of(plain.package, plugin, max_epochs=epochs)
        try:
            trainer.fit(plain.module, loader, ckpt_path=ckpt_path)
            trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
        finally:
            plugin.detach(plain.module)
        return torch.load(tmp_path / f"{epochs}.ckpt", weights_only=True)["bottleneck"]

    whole = train(2, DensityRate)
    assert not torch.equal(whole["rate"]["means"], DensityRate((8, 2, 2), 64).means)
    train(1, DensityRate)
    resumed = train(2, DensityRate, tmp_path / "1.ckpt")
    assert_same(whole["weights"] | whole["rate"], resumed["weights"] | resumed["rate"])
    with pytest.raises(
        ValueError, match=r"rate has learned \['log_scales', 'logits', 'means'\], this plugin's learns \[\]"
    ):
        train(3, None, tmp_path / "1.ckpt")


def test_numbers_of_numpy_are_numbers(plain, trainer_of, tmp_path):
    """Options from a NumPy sweep train, are saved as plain numbers, resume and export."""
    options = {
        "latent_channels": np.int64(8),
        "stride": np.int64(2),
        "step": np.float32(0.1),
        "alpha": np.float64(3),
        "kernel": np.int32(3),
    }
    plugin = make_plugin(**options)
    trainer = trainer_of(plain.package, plugin)
    trainer.fit(plain.module, plain.loader)
    trainer.save_checkpoint(tmp_path / "saved.ckpt")
    saved = torch.load(tmp_path / "saved.ckpt", weights_only=True)["bottleneck"]["unit"]
    assert type(saved["latent_channels"]) is int
    assert Bundle.read(export(plugin, trainer)).unit.step == pytest.approx(0.1)
    plugin.detach(plain.module)
    trainer = trainer_of(plain.package, make_plugin(**options), max_epochs=2)
    trainer.fit(plain.module, plain.loader, ckpt_path=tmp_path / "saved.ckpt")


def test_a_codec_of_latents_makes_the_bytes(plain, trainer_of):
    """A codec with its own quantizer codes the latent; the exported halves give what the prediction gave."""
    plugin = make_plugin(codec="affine")
    trainer = trainer_of(plain.package, plugin)
    trainer.fit(plain.module, plain.loader)
    outputs = torch.cat(trainer.predict(plain.module, in_order(plain.loader)))
    device, server = bottleneck.load(export(plugin, trainer), plain.module)
    image = plain.loader.dataset.tensors[0][0]
    torch.testing.assert_close(server(device(image))[0], outputs[0])


class Small(pytorch_lightning.LightningModule):
    """Takes images of any size."""

    def __init__(self):
        super().__init__()
        self.stage = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, stride=2), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))

    def forward(self, images):
        return self.head(self.stage(images))

    def training_step(self, batch, index):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch, index):
        self.log("val/loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def small_images(count, side):
    torch.manual_seed(side)
    images = TensorDataset(torch.randn(count, 1, side, side), torch.randint(0, 10, (count,)))
    return DataLoader(images, batch_size=8)


def small_trainer(plugin, folder):
    return pytorch_lightning.Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=[plugin],
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def test_bits_per_pixel_are_those_of_the_images_that_were_sent(tmp_path):
    """Images of validation may be larger than those of training."""
    plugin = make_plugin(step=0.1)
    trainer = small_trainer(plugin, tmp_path)
    trainer.fit(Small(), small_images(32, 16), small_images(9, 32))
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert logged["val/bpp"] == pytest.approx(8 * logged["val/payload_bytes"] / 32**2)


def test_a_second_training_exports_nothing_that_the_first_measured(tmp_path):
    """What was measured of another unit is not said of this one."""
    plugin = make_plugin(step=0.1)
    first = Small()
    small_trainer(plugin, tmp_path).fit(first, small_images(32, 16), small_images(9, 16))
    plugin.export(tmp_path / "first")
    plugin.detach(first)
    small_trainer(plugin, tmp_path).fit(Small(), small_images(32, 16))
    plugin.export(tmp_path / "second")
    assert "val/payload_bytes" in Bundle.read(tmp_path / "first").result
    assert "val/payload_bytes" not in Bundle.read(tmp_path / "second").result


def test_a_unit_that_sends_nothing_is_exported_with_a_warning(tmp_path):
    """Where every payload that was measured is one byte, all latents are zero; the cure is said."""
    plugin = make_plugin(step=1000.0)
    small_trainer(plugin, tmp_path).fit(Small(), small_images(32, 16), small_images(9, 16))
    with pytest.warns(UserWarning, match=r"sends nothing, every latent is zero\. Lower step"):
        plugin.export(tmp_path / "bundle")
    assert Bundle.read(tmp_path / "bundle").result["val/payload_bytes"] == 1


def test_a_diverged_unit_is_not_exported(tmp_path):
    """Weights that are no numbers would be refused when the bundle is read; the cure is said."""
    plugin = make_plugin(step=0.1, optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e30))
    small_trainer(plugin, tmp_path).fit(Small(), small_images(32, 16))
    with pytest.raises(ValueError, match=r"no bundle: its training diverged, NaN.*lower the.* optimizer="):
        plugin.export(tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_codec_with_memory_is_measured_as_the_device_sends(tmp_path):
    """Sample after sample, as one stream."""
    plugin, module = make_plugin(step=0.1, codec="stream"), Small()
    trainer = small_trainer(plugin, tmp_path)
    images = small_images(9, 16)
    trainer.fit(module, small_images(32, 16), images)
    plugin.export(tmp_path / "bundle")
    plugin.detach(module)
    device, _ = bottleneck.load(tmp_path / "bundle", module)
    sizes = [len(device(image)) for image, _ in images.dataset]
    assert float(trainer.callback_metrics["val/payload_bytes"]) == pytest.approx(np.mean(sizes))


def test_a_plugins_bundle_says_that_it_was_not_measured_to_be_chosen(tmp_path):
    """`choose` names what is missing; the whole network answers in half precision too."""
    plugin, module = make_plugin(step=0.1), Small()
    small_trainer(plugin, tmp_path).fit(module, small_images(32, 16))
    plugin.export(tmp_path / "bundle")
    plugin.detach(module)
    with pytest.raises(ValueError, match=r"was not measured by train, search or evaluate.*baseline"):
        candidates(tmp_path / "bundle")
    half = TorchHalf([tmp_path / "bundle"], module.half())
    image = torch.randn(1, 16, 16)
    assert len(half.payload(image, half.routes[0])) > 0
    assert len(half.alone(image)["top"]) == 5
    with pytest.raises(ValueError, match="which this device does not have"):
        half.payload(image, Fixed("layer2-0", "layer2", 0, "0123456789ab"))
