"""The plugin in other people's training: what it adds, what it leaves alone, and what it refuses."""

import copy
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

import bottleneck
from bottleneck.deploy.bundle import Bundle
from bottleneck.training.schedules import cosine

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*number of training batches",
    "ignore:.*sampler has shuffling enabled",
    "ignore:You defined a `validation_step`",
    "ignore:Found .* in eval mode",  # a second fit finds the network frozen
    "ignore:The .grad attribute of a Tensor that is not a leaf",  # Dynamo's own, where its graph is broken
)


def make_plugin(at="stage", **options):
    defaults = {"latent_channels": 8, "stride": 2, "step": 0.05, "alpha": 3.0, "scheduler": None}
    return bottleneck.BottleneckPlugin(at=at, **{**defaults, **options})


def tensors_of(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same(before, after):
    assert list(before) == list(after)
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name


def in_order(loader):
    return DataLoader(loader.dataset, batch_size=32)


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


def export(plugin, trainer):
    folder = Path(trainer.default_root_dir) / "bundle"
    plugin.export(folder)
    return folder


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


def test_detach_leaves_no_trace(style, trainer_of):
    """Methods, submodules, hooks, gradients and modes are as before, and the module trains on as its own."""
    module = style.module
    if style.name == "scheduled":
        module.configure_model()  # so that there is a network to compare
    module.train()
    module.get_submodule(style.at).eval()
    state = lambda: (  # noqa: E731
        sorted(name for name in module.__dict__ if not name.startswith("_")),
        [
            (name, child.training, len(child._forward_hooks), len(child._forward_pre_hooks))
            for name, child in module.named_modules()
        ],
        [(name, p.requires_grad) for name, p in module.named_parameters()],
    )
    before, tensors = state(), tensors_of(module)
    plugin = make_plugin(style.at)
    trainer_of(style.package, plugin).fit(module, style.loader, style.loader)
    assert state() != before
    plugin.detach(module)
    assert state() == before
    assert_same(tensors, tensors_of(module))
    plugin.detach(module)  # again: nothing to do
    trainer_of(style.package, max_steps=2).fit(module, style.loader, style.loader)
    after = tensors_of(module)
    assert any(not torch.equal(tensor, after[name]) for name, tensor in tensors.items())


def test_module_is_itself_outside_the_trainer(plain, trainer_of):
    """Attached or not, calling the module gives what it gave before."""
    images = plain.loader.dataset.tensors[0]
    plain.module.eval()
    with torch.no_grad():
        before = plain.module(images)
        trainer_of(plain.package, make_plugin()).fit(plain.module, plain.loader)
        assert torch.equal(plain.module.eval()(images), before)


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
    with pytest.raises(ValueError, match=r"has \{'step': 0.05\}, this plugin \{'step': 1.0\}"):
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


def test_gradients_accumulate(plain, trainer_of):
    """With accumulation the unit takes fewer steps, and two half batches are one whole but for BatchNorm."""
    trainer = trainer_of(plain.package, make_plugin(), accumulate_grad_batches=4)
    trainer.fit(plain.module, plain.loader)
    assert trainer.global_step == 2  # 8 batches


def test_mixed_precision_leaves_the_unit_in_float32(plain, trainer_of):
    """Under bf16-mixed the network computes in bfloat16, the unit's weights and latents stay float32."""
    dtypes = set()

    def rate(latent, pixels):
        dtypes.add((latent.dtype, plain.module.fc(torch.zeros(1, 32)).dtype))
        return latent.abs().sum() / pixels

    plugin = make_plugin(rate=rate)
    trainer = trainer_of(plain.package, plugin, precision="bf16-mixed")
    trainer.fit(plain.module, plain.loader, plain.loader)
    assert dtypes == {(torch.float32, torch.bfloat16)}
    assert {parameter.dtype for parameter in plugin.unit.parameters()} == {torch.float32}
    assert trainer.callback_metrics["val/bpp"] > 0


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


def test_example_decides_the_size(plain, trainer_of):
    """With `example` nothing is run ahead of training, and the unit has the size of its features."""
    plugin = make_plugin(example=torch.zeros(2, 1, 12, 20))
    samples = [(torch.rand(1, 12, 20), 0)] * 8
    trainer_of(plain.package, plugin).fit(plain.module, DataLoader(samples, batch_size=4))
    assert plugin.unit.size == (6, 10)


def test_first_batch_is_not_lost(plain, trainer_of):
    """Looking at the first batch costs none: training sees as many as there are, from the first on."""
    seen = []
    theirs = plain.module.training_step
    plain.module.training_step = lambda batch, batch_idx: seen.append(batch[1]) or theirs(batch, batch_idx)
    trainer_of(plain.package, make_plugin()).fit(plain.module, in_order(plain.loader))
    expected = [labels for _, labels in in_order(plain.loader)]
    ahead, *steps = seen
    assert torch.equal(ahead, expected[0])
    assert all(torch.equal(a, b) for a, b in zip(steps, expected, strict=True))


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


def test_boring_model_is_told_what_is_missing(package, trainer_of):
    """Lightning's own demo ends in a linear layer, which is no feature map; nothing is left in it."""
    boring = importlib.import_module(f"{package.__name__}.demos.boring_classes").BoringModel()
    names = set(boring.__dict__)
    with pytest.raises(ValueError, match=r"at='layer' returns shape \(1, 2\).*needs one 4-D tensor"):
        trainer_of(package, make_plugin("layer")).fit(boring)
    assert {name for name in boring.__dict__ if not name.startswith("_")} <= names
    assert all(parameter.requires_grad for parameter in boring.parameters())


def test_manual_optimization_is_refused(plain, trainer_of):
    """Where a module steps its own optimizers there is no loss to add the rate to."""
    plain.module.automatic_optimization = False
    with pytest.raises(ValueError, match="Plain optimizes manually"):
        trainer_of(plain.package, make_plugin()).fit(plain.module, plain.loader)


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
        ({"codec": "rle"}, "codes feature"),
        ({"kind": "wavelet"}, "kind 'wavelet'"),
    ],
)
def test_wrong_arguments_are_named_at_once(options, message):
    """What needs no module to be wrong is refused by the constructor."""
    with pytest.raises(ValueError, match=message):
        make_plugin(**options)


def test_whole_network_precisions_are_refused(plain, trainer_of):
    """A precision that converts the frozen weights is refused with the ones that work."""
    with pytest.raises(ValueError, match=r"precision='bf16-true'.*'bf16-mixed'"):
        trainer_of(plain.package, make_plugin(), precision="bf16-true").fit(plain.module, plain.loader)


def test_steps_that_cannot_learn_are_refused(plain, trainer_of):
    """A split point under no_grad, or one that the loss does not need, is an error in the first step."""
    module = plain.module

    def under_no_grad(batch, batch_idx):
        with torch.no_grad():
            feature = module.stage(module.stem(batch[0]))
        return F.cross_entropy(module.fc(feature.mean((2, 3))), batch[1])

    def without(batch, batch_idx):
        module.stage(module.stem(batch[0]))
        return module.fc(torch.ones(1, 32)).sum()

    for step, message in (
        (under_no_grad, "under torch.no_grad"),
        (without, "the loss does not depend on it"),
    ):
        module.training_step = step
        plugin = make_plugin()
        with pytest.raises(ValueError, match=message):
            trainer_of(plain.package, plugin).fit(module, plain.loader)
        plugin.detach(module)


def test_nothing_is_measured_or_exported_before_training(plain, trainer_of, tmp_path):
    """Without a trained unit there is nothing to code with; the message says how to get one."""
    plugin = make_plugin()
    with pytest.raises(ValueError, match=r"no bottleneck to measure yet.*ckpt_path"):
        trainer_of(plain.package, plugin).test(plain.module, plain.loader, verbose=False)
    with pytest.raises(ValueError, match="no bottleneck to export yet"):
        plugin.export(tmp_path)


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
