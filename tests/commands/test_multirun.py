"""Several runs of one command share what they have in common."""

import json

import pytest

from bottleneck.measure.results import read_results

SHORT = ("device=cpu", "trainer.max_epochs=1", "trainer.enable_progress_bar=false", "also_codecs=[]")
FEW = ("data.train_limit=200", "data.val_limit=40", "suite=features")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*number of training batches")
def test_a_multirun_measures_untrained_codecs_once_and_ends_in_one_table(run_command, tmp_path):
    """Both runs have the very same untrained rows, times included; the last table has each method once."""
    done = run_command("train", "-m", "alpha=1,3", *SHORT, *FEW, f"hydra.sweep.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    first, second = (read_results(tmp_path / number / "results.jsonl") for number in "01")
    assert [row.method for row in first[2:]] == ["feature-float32", "rle-2", "rle-3", "rle-4", "rle-8"]
    assert first[2:] == second[2:]
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [row["method"] for row in rows] == [
        *("frozen", "bottleneck alpha=1", "feature-float32", "rle-2", "rle-3", "rle-4", "rle-8"),
        "bottleneck alpha=3",
    ]
    assert done.stdout.count("bottleneck alpha=3") == 1
    assert (tmp_path / "rate_accuracy.png").exists()
    assert max(len(line) for line in done.stdout.splitlines() if "rle-2" in line) <= 100
