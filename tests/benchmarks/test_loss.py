"""`benchmarks/loss.py` does on little what it says it does."""

import importlib
import json

import pytest

from tests.benchmarks.printed import DATA, in_results, is_picture, tables

FEW = ("device=cpu", "trainer.max_epochs=2", "data.train_limit=120", "data.val_limit=40", "suite=features")


@pytest.mark.slow
def test_loss(run, tmp_path):
    """Each method is trained once: a second start finds it in the file and prints the same table."""
    rows, picture = tmp_path / "rows.jsonl", tmp_path / "a.png"
    few = ("split=layer1", "--bytes", 240, "--mtu", 16, "--methods", "half parity,trained: prefix")
    text = run("loss", rows, picture, *FEW, *few)
    first, second = [json.loads(line) for line in rows.read_text().splitlines()]
    assert (first["method"], second["method"]) == ("half parity", "trained: prefix")
    arriving = [row for row in second["rows"] if (row["loss_model"] or "").startswith("first ")]
    assert arriving
    assert {row["lost"] for row in tables(text)[0]} == {"packets", "bursts"}
    assert is_picture(picture)
    assert run("loss", rows, picture, *FEW, *few) == text


def test_loss_of_earlier_runs(tmp_path):
    """The rows of earlier runs still make their table of results.md, and its picture."""
    loss = importlib.import_module("benchmarks.loss")
    finished = [json.loads(line) for line in (DATA / "loss_digits.jsonl").read_text().splitlines()]
    assert in_results(loss.summary(finished))
    loss.draw(finished, tmp_path / "a.png")
    assert is_picture(tmp_path / "a.png")
