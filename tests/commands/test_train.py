"""`python train.py` and `python evaluate.py`, end to end on the digits."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from PIL import Image
from pytorch_lightning import Callback

import bottleneck
from bottleneck import models
from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate
from bottleneck.commands.train import run_outputs
from bottleneck.commands.train import train_and_measure as train
from bottleneck.deploy.frontier import Point, write_frontier
from bottleneck.measure.results import read_results

ROOT = Path(config_dir()).parent
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # Lightning's advice is not ours to follow here


def composed(name, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(name, list(overrides))


@pytest.fixture(scope="module")
def run(tmp_path_factory, cache_dir):
    """The default run, shared by the tests below."""
    folder = tmp_path_factory.mktemp("run")
    return folder, train(composed("train", "device=cpu", "trainer.enable_progress_bar=false"), folder)


def test_default_run_keeps_its_promise(run):
    """Within 3 points of the frozen network, at no more than a third of the smallest run-length row."""
    rows = {row.method: row for row in run[1]}
    smallest = min(row.payload_bytes for name, row in rows.items() if name.startswith("rle-"))
    assert rows["bottleneck"].drop <= 0.03
    assert rows["bottleneck"].payload_bytes <= smallest / 3
    assert rows["frozen"].n == 500


def test_default_table_has_every_row_that_was_promised(run):
    """Frozen network, bottleneck (Huffman too), the feature untrained, pictures of it, the input."""
    methods = [row.method for row in run[1]]
    assert methods[:4] == ["frozen", "bottleneck", "bottleneck-huffman", "feature-float32"]
    assert methods[4:8] == ["rle-2", "rle-3", "rle-4", "rle-8"]
    assert {"zstd-4", "tiled-jpeg-20", "tiled-png-16"} <= set(methods)
    inputs = [row.method for row in run[1] if row.split == "input"]
    assert inputs == ["raw-input", "packed-input", "deflate-input", "png-input"]


def test_same_latent_is_measured_through_further_codecs(run):
    """Huffman's row has the bottleneck's accuracy at more bytes; the range coder is near its ideal."""
    row, huffman = run[1][1:3]
    assert (huffman.value, huffman.device_macs) == (row.value, row.device_macs)
    assert row.payload_bytes < huffman.payload_bytes
    assert row.bpp < row.estimated_bpp * 1.01 + 8 / 64
    assert json.loads((run[0] / "bundle" / "bundle.json").read_text())["codec"]["name"] == "range"


@pytest.mark.slow
def test_codec_of_the_bundle_is_not_measured_twice(tmp_path):
    """`codec=huffman` gives one row of the trained latent, Huffman's."""
    short = ["device=cpu", "codec=huffman", "trainer.max_epochs=1", "suite=features"]
    methods = [row.method for row in train(composed("train", *short), tmp_path)]
    assert methods[:3] == ["frozen", "bottleneck", "feature-float32"]


def test_run_folder_has_the_contract(run):
    """results.jsonl, bundle/, a picture, logged curves and a checkpoint are where they are promised."""
    folder, rows = run
    assert read_results(folder / "results.jsonl") == [
        type(row)(**json.loads(json.dumps(vars(row)))) for row in rows
    ]
    assert Image.open(folder / "rate_accuracy.png").size[0] > 500
    header = (folder / "logs" / "metrics.csv").read_text().splitlines()[0]
    assert all(key in header for key in ("train/loss", "train/rate", "train/task_loss", "val/accuracy_top1"))
    assert (folder / "checkpoints" / "last.ckpt").is_file()
    assert (folder / "bundle" / "bundle.json").is_file()


@pytest.mark.slow
def test_exported_bundle_measures_the_same_in_evaluate(run, tmp_path, report_content):
    """evaluate.py reloads the bundle, finds the training run's numbers, Huffman's too, and reports them."""
    folder, rows = run
    cfg = composed("evaluate", "device=cpu", f"bundles=['{folder / 'bundle'}']", "suite=features")
    measured = evaluate(cfg, tmp_path)
    bundle, huffman = (row for row in measured if row.method.startswith("bundle:"))
    for again, row in ((bundle, rows[1]), (huffman, rows[2])):
        assert (again.value, again.payload_bytes, again.bpp) == (row.value, row.payload_bytes, row.bpp)
    assert huffman.method == f"{bundle.method}-huffman"
    assert [row.method for row in read_results(tmp_path / "results.jsonl")] == [
        row.method for row in measured
    ]
    marks = report_content(tmp_path / "report.html")["marks"]
    for mark, row in zip(marks[:2], (bundle, huffman), strict=True):
        assert (mark["kind"], mark["name"], mark["value"]) == ("trained", row.method, row.value)
        assert [mark[key] for key in ("latent_channels", "stride", "step", "alpha")] == [
            *(cfg.unit[key] for key in ("latent_channels", "stride", "step")),
            cfg.alpha,
        ]
    assert {mark["kind"] for mark in marks[2:]} == {"untrained"}


@pytest.mark.slow
def test_folder_of_a_frontier_stands_for_all_its_points(run, tmp_path):
    """evaluate.py takes a frontier's folder where it takes bundles, and measures each of its points."""
    folder, rows = run
    shutil.copytree(folder / "bundle", tmp_path / "frontier" / "point-00")
    point = Point(0, "point-00", rows[1].bpp, rows[1].payload_bytes, rows[1].value)
    write_frontier(tmp_path / "frontier", [point], {})
    bundles = f"bundles='{tmp_path / 'frontier'}'"
    cfg = composed("evaluate", "device=cpu", bundles, "suite=features", "offsets=[0.4]")
    measured = evaluate(cfg, tmp_path)
    bundle, rounded, _ = (row for row in measured if row.method.startswith("bundle:"))
    assert (rounded.method, rounded.family) == (f"{bundle.method}-offset-0.4", "bundle-offset-0.4")
    assert rounded.payload_bytes < bundle.payload_bytes
    assert (bundle.value, bundle.payload_bytes) == (rows[1].value, rows[1].payload_bytes)
    assert "BD-rate" in (tmp_path / "curves.md").read_text()


def test_bundle_serves_single_images_as_evaluated(run, digits_network):
    """Image by image through device and server, the deployed accuracy and bytes are the reported ones."""
    folder, rows = run
    device, server = bottleneck.load(folder / "bundle", digits_network)
    from bottleneck.data import Digits

    samples = Digits().subset("val")
    payloads = [device(samples[i][0]) for i in range(len(samples))]
    hits = [int(server(p).argmax()) == samples[i][1] for i, p in enumerate(payloads)]
    assert sum(map(len, payloads)) / len(payloads) == pytest.approx(rows[1].payload_bytes, abs=0.01)
    assert sum(hits) / len(hits) == pytest.approx(rows[1].value, abs=0.002)


@pytest.mark.slow
def test_equal_seeds_give_equal_results_and_other_seeds_do_not(tmp_path):
    """A run is repeatable from its seed, with and without the feature cache."""
    short = ["device=cpu", "trainer.max_epochs=2", "trainer.enable_progress_bar=false", "suite=features"]
    outcomes = []
    for number, extra in enumerate((["seed=1"], ["seed=1", "cache.enabled=false"], ["seed=2"])):
        rows = train(composed("train", *short, *extra), tmp_path / str(number))
        outcomes.append((rows[1].value, rows[1].payload_bytes))
    assert outcomes[0] == outcomes[1] != outcomes[2]


@pytest.mark.slow
def test_first_run_and_later_runs_agree(tmp_path):
    """A run that fills the feature cache and one that reads it train the same unit."""
    short = ["device=cpu", "trainer.max_epochs=2", "trainer.enable_progress_bar=false", "suite=features"]
    cold = [*short, f"cache.dir={tmp_path}"]
    outcomes = [train(composed("train", *cold), tmp_path / name)[1] for name in ("first", "second")]
    assert (outcomes[0].value, outcomes[0].payload_bytes) == (outcomes[1].value, outcomes[1].payload_bytes)


def test_interrupted_run_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch):
    """Killed after two of four epochs and resumed, a shuffled one-cycle run ends where the whole one does."""
    short = ["device=cpu", "trainer.max_epochs=4", "trainer.enable_progress_bar=false", "suite=features"]
    whole = train(composed("train", *short), tmp_path / "whole")[1]
    state = torch.load(tmp_path / "whole" / "checkpoints" / "last.ckpt", weights_only=True)

    class Kill(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 2:
                raise OSError("killed")

    def outputs(*of_run):
        loggers, callbacks = run_outputs(*of_run)
        return loggers, [*callbacks, Kill()]

    monkeypatch.setitem(train.__globals__, "run_outputs", outputs)
    with pytest.raises(OSError, match="killed"):
        train(composed("train", *short), tmp_path / "half")
    monkeypatch.undo()
    checkpoint = tmp_path / "half" / "checkpoints" / "last.ckpt"
    resumed = train(composed("train", *short, f"ckpt_path='{checkpoint}'"), tmp_path / "resumed")[1]
    assert (resumed.value, resumed.payload_bytes) == (whole.value, whole.payload_bytes)
    again = torch.load(tmp_path / "resumed" / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(torch.equal(again["state_dict"][k], state["state_dict"][k]) for k in state["state_dict"])


@pytest.mark.slow
def test_resumed_run_may_be_longer(run, tmp_path):
    """More epochs than the checkpoint's run had continue on the longer schedule."""
    checkpoint = run[0] / "checkpoints" / "last.ckpt"
    overrides = ["device=cpu", f"ckpt_path='{checkpoint}'", "trainer.max_epochs=42", "suite=features"]
    assert train(composed("train", *overrides), tmp_path)[1].payload_bytes > 0


def test_training_resumes_from_a_checkpoint(run, tmp_path):
    """`ckpt_path=` goes on from the last epoch: with nothing left to train, the results are the old ones."""
    folder, rows = run
    checkpoint = folder / "checkpoints" / "last.ckpt"
    cfg = composed("train", "device=cpu", f"ckpt_path='{checkpoint}'", "suite=features")
    resumed = train(cfg, tmp_path)
    assert (resumed[1].value, resumed[1].payload_bytes) == (rows[1].value, rows[1].payload_bytes)


def test_network_and_data_must_agree_about_classes(tmp_path):
    """A network with other outputs than the data set has classes is refused before training."""
    cfg = composed("train", "device=cpu")
    cfg.model = {
        "_target_": "bottleneck.models.wrap",
        "name": "linear",
        "network": {
            "_target_": "torch.nn.Sequential",
            "_args_": [
                {"_target_": "torch.nn.Flatten"},
                {"_target_": "torch.nn.Linear", "in_features": 64, "out_features": 7},
            ],
        },
        "mean": [0.5],
        "std": [0.5],
    }
    with pytest.raises(
        ValueError, match=r"returns \(1, 7\) for an image, the data set has 10 classes.*model\.logits"
    ):
        train(cfg, tmp_path)


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["codec.name=hufman"], "codec='hufman' is unknown"),
        (["codec.name=raw", "+codec.input=pixels"], "codec 'raw' codes pixels, a bottleneck sends symbols"),
        (["also_codecs=[png]"], r"codec 'png' codes pixels, a bottleneck sends symbols"),
        (["+suite.input.wrong={name: deflate, level: 99}"], "level=99"),
        (["subset=test"], "no subset 'test'"),
        (["subset=select", "data.holdout=0"], r"subset=select is empty.*data\.holdout"),
        (["split=input"], r"split=input sends torch\.uint8 values.*split=normalize"),
        (["trainer.precision=64-true"], "precision=64-true would convert the frozen network"),
        (["alpha=-1"], "alpha=-1 must be"),
        (["unit.stride=2.5"], r"unit\.stride=2\.5"),
        (["device=gpu"], "device=gpu is unknown"),
        (["device=cuda:99"], "device=cuda:99: PyTorch has no such device here"),
        (["cache.dir=/dev/null/features"], "cache.dir=/dev/null/features cannot be written"),
        (["trainable=head"], "trainable=head is unknown"),
        (
            ["trainable=tail", "unit=pooled", "unit.rates=4", "rate=density", "target_bytes=9"],
            r"unit\.rates=4: several rates are trained by train\.py with trainable=bottleneck",
        ),
        (
            ["trainable=tail", "objective=matching"],
            "trainable=tail needs an objective .*, and Matching does not",
        ),
        (
            ["trainable=all", "objective=features", "objective.layers=[layer3]"],
            r"trainable=all cannot match the frozen network's features, as FrozenFeatures does",
        ),
    ],
)
def test_mistakes_are_found_before_training(tmp_path, monkeypatch, overrides, message):
    """A wrong codec, of the suite too, subset, split, precision or number never costs a training."""
    monkeypatch.setattr("pytorch_lightning.Trainer.fit", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises((ValueError, InstantiationException), match=message):
        train(composed("train", "device=cpu", *overrides), tmp_path)


SHORT = ("device=cpu", "trainer.max_epochs=2", "trainer.enable_progress_bar=false", "suite=features")


@pytest.fixture(scope="module")
def full_run(tmp_path_factory, cache_dir, digits_network):
    """Two epochs with the whole network trained, and an untouched copy of that network."""
    folder = tmp_path_factory.mktemp("all")
    return folder, train(composed("train", *SHORT, "trainable=all"), folder)


@pytest.mark.slow
def test_full_training_is_compared_with_the_network_as_it_was(full_run, run):
    """`trainable=all` has the same rows; the untrained ones and the baseline are the frozen network's."""
    full, frozen = ({row.method: row for row in rows} for rows in (full_run[1], run[1]))
    for name in ("frozen", "rle-2", "feature-float32"):
        assert (full[name].value, full[name].payload_bytes) == (
            frozen[name].value,
            frozen[name].payload_bytes,
        )
    assert full["bottleneck"].baseline == frozen["frozen"].value
    assert full["bottleneck"].value > 0.5


def test_full_training_changes_and_keeps_the_network(full_run, digits_network):
    """Head, tail and their BatchNorm statistics have moved; with the kept weights the bundle serves."""
    folder, rows = full_run
    tuned = models.create("digits_resnet", weights=str(folder / "network.safetensors"))
    before, after = digits_network.network.state_dict(), tuned.network.state_dict()
    for name in ("stem.0.weight", "layer3.conv2.weight", "stem.1.running_mean"):
        assert not torch.equal(before[name], after[name])
    with pytest.raises(ValueError, match="belongs to a network with weights"):
        bottleneck.load(folder / "bundle", digits_network)
    device, server = bottleneck.load(folder / "bundle", tuned)
    from bottleneck.data import Digits

    samples = Digits().subset("val")
    hits = [int(server(device(samples[i][0])).argmax()) == samples[i][1] for i in range(100)]
    assert np.mean(hits) == pytest.approx(rows[1].value, abs=0.15)


def test_own_tail_is_trained_kept_and_measured_again(tmp_path, digits_network):
    """`trainable=tail` leaves the network alone; its bundle has the tail, and `evaluate.py` its numbers."""
    before = {key: value.clone() for key, value in digits_network.state_dict().items()}
    rows = train(composed("train", *SHORT, "trainable=tail", "also_codecs=[]"), tmp_path / "run")
    assert [row.trainable for row in rows[:3]] == [None, "tail", None]
    bundle = tmp_path / "run" / "bundle"
    device, _ = bottleneck.load(bundle, digits_network)  # the network as it was
    assert all(torch.equal(before[key], value) for key, value in digits_network.state_dict().items())
    own = device.bundle.tail
    assert any(not torch.equal(value, before[key.removeprefix("graph.")]) for key, value in own.items())
    cfg = composed("evaluate", "device=cpu", f"bundles='{bundle}'", "suite=features", "also_codecs=[]")
    (again,) = (row for row in evaluate(cfg, tmp_path) if row.kind == "trained")
    assert (again.value, again.payload_bytes, again.trainable) == (
        rows[1].value,
        rows[1].payload_bytes,
        "tail",
    )
    assert "tail trained" in (tmp_path / "curves.md").read_text()


def test_several_rates_of_one_unit_are_a_frontier(tmp_path, digits_network):
    """`unit.rates=3` trains once and ends in three points with the same weights, cheapest first."""
    options = ["unit=asymmetric", "unit.width=16", "unit.blocks=0", "unit.rates=3", "rate=density"]
    rows = train(composed("train", *SHORT, *options, "target_bytes=12", "alpha=1"), tmp_path)
    trained = [row for row in rows if row.kind == "trained"]
    assert [row.method for row in trained] == [f"bottleneck-rate-{number}" for number in range(3)]
    assert trained[0].payload_bytes > trained[2].payload_bytes
    (weights,) = (tmp_path / "frontier").rglob("*.safetensors")
    assert weights.parent.name == "weights"
    device, server = bottleneck.load(tmp_path / "frontier", digits_network)
    sizes = [point.payload_bytes for point in device.points]
    assert sizes == sorted(1 + row.payload_bytes for row in trained)
    assert server(device(np.zeros((1, 8, 8), np.uint8), point=0)).shape == (1, 10)


DIVERGED = (
    *("device=cpu", "trainer.max_epochs=1", "trainer.enable_progress_bar=false", "suite=features"),
    *("data.train_limit=200", "data.val_limit=100", "optimizer.lr=1e10"),
)


def test_diverged_unit_is_measured_and_makes_no_bundle(tmp_path, caplog):
    """Weights that are no numbers are named with the cure; the rows are there all the same."""
    point = ("unit.latent_channels=4", "unit.stride=1", "unit.step=2.5")
    rows = train(composed("train", *DIVERGED, *point), tmp_path)
    assert np.isfinite(rows[1].value)
    assert read_results(tmp_path / "results.jsonl")[1].method == "bottleneck"
    assert re.search(r"of no use: its training diverged, NaN.*lower the optimizer's lr", caplog.text)
    assert "no bundle is written" in caplog.text
    assert not (tmp_path / "bundle").exists()


@pytest.mark.slow
def test_full_training_can_match_the_network_as_it_was(tmp_path):
    """`objective=logits trainable=all` follows the frozen network, and resumes from its checkpoint."""
    options = (*SHORT, "trainable=all", "objective=logits")
    first = train(composed("train", *options), tmp_path / "first")
    assert first[1].value > 0.5
    checkpoint = tmp_path / "first" / "checkpoints" / "last.ckpt"
    again = train(composed("train", *options, f"ckpt_path='{checkpoint}'"), tmp_path / "again")
    assert (again[1].value, again[1].payload_bytes) == (first[1].value, first[1].payload_bytes)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "objective",
    [
        ("objective=features", "objective.layers=[layer3]", "alpha=10", "trainer.max_epochs=3"),
        ("objective=sum", "alpha=10", "trainer.max_epochs=3"),
    ],
)
def test_objectives_train_from_the_command_line(tmp_path, objective):
    """Features behind the cut, or a sum of objectives, train a unit that classifies."""
    assert train(composed("train", *SHORT, *objective), tmp_path)[1].value > 0.25


@pytest.mark.slow
def test_warm_start_changes_where_training_begins(tmp_path):
    """With `warm_start.epochs` the same seed ends elsewhere, and no worse than chance."""
    cold = train(composed("train", *SHORT), tmp_path / "cold")
    warm = train(composed("train", *SHORT, "warm_start.epochs=5"), tmp_path / "warm")
    assert (warm[1].value, warm[1].payload_bytes) != (cold[1].value, cold[1].payload_bytes)
    assert warm[1].value > 0.5


def test_users_logger_and_callback_take_part(tmp_path):
    """A logger and a callback from the command line work beside ours: theirs ends the run after one epoch."""
    short = ["device=cpu", "trainer.max_epochs=3", "trainer.enable_progress_bar=false", "suite=features"]
    few = ["data.train_limit=64", "data.val_limit=32", "trainer.log_every_n_steps=1"]
    logger = ["_target_=pytorch_lightning.loggers.CSVLogger", f"save_dir={tmp_path}/mine"]
    stop = ["_target_=pytorch_lightning.callbacks.EarlyStopping", "monitor=val/accuracy_top1", "mode=max"]
    stop += ["stopping_threshold=0"]
    own = [f"+trainer.logger.{option}" for option in logger] + [
        f"+trainer.callbacks.{option}" for option in stop
    ]
    train(composed("train", *short, *few, *own), tmp_path)
    for folder in ("mine", "logs"):
        (log,) = (tmp_path / folder).rglob("metrics.csv")
        with log.open() as lines:
            assert {line["epoch"] for line in csv.DictReader(lines)} - {""} == {"0"}


def test_unit_trains_on_last_batches_of_one(tmp_path):
    """A training set that leaves one image for the last batch does not break BatchNorm."""
    odd = ["data.train_limit=65", "unit.stride=4", "trainer.max_epochs=1", "data.holdout=0", "suite=features"]
    assert train(composed("train", "device=cpu", *odd), tmp_path)[1].n == 500


def test_held_out_samples_are_measured_on_request(run, tmp_path):
    """`subset=select` measures the 130 held-out digits instead of val."""
    checkpoint = run[0] / "checkpoints" / "last.ckpt"
    cfg = composed("train", "device=cpu", f"ckpt_path='{checkpoint}'", "subset=select", "suite=features")
    assert train(cfg, tmp_path)[1].n == 130


def test_photographs_are_served_as_they_were_evaluated(photographs, tmp_path):
    """Trained on images of many sizes, device and server reproduce the evaluated accuracy from files."""
    overrides = [
        *(
            "device=cpu",
            "model=torchvision",
            "model.name=squeezenet1_1",
            "model.num_classes=2",
            "data=imagefolder",
        ),
        *(f"data.root={photographs}", "data.short_side=34", "data.crop=32", "data.holdout=0"),
        *("split=features.4", "trainer.max_epochs=1", "suite=features"),
    ]
    cfg = composed("train", *overrides)
    torch.manual_seed(0)
    network = models.create("squeezenet1_1", num_classes=2)
    torch.save(network.network.state_dict(), tmp_path / "weights.pth")
    cfg.model.weights = str(tmp_path / "weights.pth")
    row = train(cfg, tmp_path / "run")[1]
    device, server = bottleneck.load(tmp_path / "run" / "bundle", network)
    files = sorted((photographs / "val").rglob("*.png"))
    payloads = [device(Image.open(file)) for file in files]
    hits = [int(server(p).argmax()) == int(f.parent.name[-1]) for p, f in zip(payloads, files, strict=True)]
    assert sum(map(len, payloads)) / len(files) == pytest.approx(row.payload_bytes, rel=0.02)
    assert sum(hits) / len(hits) == pytest.approx(row.value, abs=0.09)


@pytest.mark.slow
def test_two_processes_train_together(tmp_path):
    """Lightning's DDP on two CPU processes trains, and the first one alone measures and exports."""
    arguments = ["device=cpu", "trainer.devices=2", "trainer.max_epochs=2", f"hydra.run.dir={tmp_path}/out"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(ROOT / "train.py"), *arguments, "suite=features"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_results(tmp_path / "out" / "results.jsonl")[1].payload_bytes > 0


@pytest.mark.slow
def test_command_line_runs_from_anywhere_with_overrides(tmp_path, cache_dir):
    """The script itself, started in another folder with overrides, prints the table and names its folder."""
    arguments = ["device=cpu", "trainer.max_epochs=1", "suite=features", f"hydra.run.dir={tmp_path}/out"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^bottleneck +layer2 ", done.stdout, re.MULTILINE)
    assert f"Written to {tmp_path}/out" in done.stdout
    assert (tmp_path / "out" / ".hydra" / "config.yaml").is_file()
