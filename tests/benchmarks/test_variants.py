"""`benchmarks/variants.py` does on little what it says it does."""

import importlib
import json

import pytest

from tests.benchmarks.printed import DATA, tables

FEW = ("device=cpu", "trainer.max_epochs=2", "data.train_limit=120", "data.val_limit=40", "suite=features")


@pytest.mark.slow
def test_variants(run, tmp_path):
    """Each variant is trained once: the second start finds all runs in the file and prints the same table."""
    rows = tmp_path / "rows.jsonl"
    few = ("--variants", "plain,depthwise", "--alphas", "3", "--seeds", "0", "--bytes", 5)
    text = run("variants", "units", rows, *FEW, *few)
    runs = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [entry["variant"] for entry in runs] == ["plain", "depthwise"]
    assert all(entry["row"]["kind"] == "trained" and entry["row"]["encoder_macs"] > 0 for entry in runs)
    assert {row["variant"] for row in tables(text)[0]} == {"plain", "depthwise"}
    assert run("variants", "units", rows, *FEW, *few) == text[text.index("| variant") :]


def test_variants_of_earlier_runs():
    """The rows of earlier runs still make the numbers of results.md."""
    variants = importlib.import_module("benchmarks.variants")
    ((*rows,),) = tables(variants.summary(variants.finished(DATA / "units_late.jsonl"), 30))
    found = {row["variant"]: row["top-1 at 30 bytes"] for row in rows}
    assert found == {"plain": "0.9732", "depthwise": "0.9694", "residual-2": "0.9710"}
