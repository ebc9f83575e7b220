"""`python train.py` and `python evaluate.py`, end to end on the digits."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

import bottleneck
from bottleneck.config import config_dir
from bottleneck.results import read_results

ROOT = Path(config_dir()).parent
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # Lightning's advice is not ours to follow here


def command(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def composed(name, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(name, list(overrides))


@pytest.fixture(scope="module")
def run(tmp_path_factory, cache_dir):
    """The default run, shared by the tests below."""
    folder = tmp_path_factory.mktemp("run")
    return folder, command("train")(
        composed("train", "device=cpu", "trainer.enable_progress_bar=false"), folder
    )


def test_default_run_keeps_its_promise(run):
    """Within 3 points of the frozen network, at no more than a third of the smallest run-length row."""
    rows = {row.method: row for row in run[1]}
    smallest = min(row.payload_bytes for name, row in rows.items() if name.startswith("rle-"))
    assert rows["bottleneck"].drop <= 0.03
    assert rows["bottleneck"].payload_bytes <= smallest / 3
    assert rows["frozen"].n == 500


def test_default_table_has_every_row_that_was_promised(run):
    """Frozen network, bottleneck, float32 feature, run-length at four depths, the input in three forms."""
    methods = [row.method for row in run[1]]
    assert methods[:3] == ["frozen", "bottleneck", "feature-float32"]
    assert methods[3:7] == ["rle-2", "rle-3", "rle-4", "rle-8"]
    assert methods[7:] == ["raw-input", "packed-input", "deflate-input"]
    assert {row.split for row in run[1][7:]} == {"input"}


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


def test_exported_bundle_measures_the_same_in_evaluate(run, tmp_path):
    """evaluate.py reloads the bundle and finds the very accuracy and bytes of the training run."""
    folder, rows = run
    cfg = composed("evaluate", "device=cpu", f"bundles=['{folder / 'bundle'}']", "suite=features")
    measured = command("evaluate")(cfg, tmp_path)
    bundle = next(row for row in measured if row.method.startswith("bundle:"))
    assert (bundle.value, bundle.payload_bytes, bundle.bpp) == (
        rows[1].value,
        rows[1].payload_bytes,
        rows[1].bpp,
    )
    assert [row.method for row in read_results(tmp_path / "results.jsonl")] == [
        row.method for row in measured
    ]


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


def test_equal_seeds_give_equal_results_and_other_seeds_do_not(tmp_path):
    """A run is repeatable from its seed, with and without the feature cache."""
    short = ["device=cpu", "trainer.max_epochs=2", "trainer.enable_progress_bar=false", "suite=features"]
    outcomes = []
    for number, extra in enumerate((["seed=1"], ["seed=1", "cache.enabled=false"], ["seed=2"])):
        rows = command("train")(composed("train", *short, *extra), tmp_path / str(number))
        outcomes.append((rows[1].value, rows[1].payload_bytes))
    assert outcomes[0] == outcomes[1] != outcomes[2]


def test_training_resumes_from_a_checkpoint(run, tmp_path):
    """`ckpt_path=` goes on from the last epoch: with nothing left to train, the results are the old ones."""
    folder, rows = run
    checkpoint = folder / "checkpoints" / "last.ckpt"
    cfg = composed("train", "device=cpu", f"ckpt_path='{checkpoint}'", "suite=features")
    resumed = command("train")(cfg, tmp_path)
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
    with pytest.raises(ValueError, match=r"7 outputs, data set digits has 10 classes.*model\.logits"):
        command("train")(cfg, tmp_path)


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
    assert "| bottleneck" in done.stdout
    assert f"Written to {tmp_path}/out" in done.stdout
    assert (tmp_path / "out" / ".hydra" / "config.yaml").is_file()
