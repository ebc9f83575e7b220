"""`benchmarks/samplers.py` does on little what it says it does."""

import importlib
import json

import pytest

from tests.benchmarks.printed import DATA, in_results, is_picture, tables

FEW = ("device=cpu", "trainer.max_epochs=2", "data.train_limit=120", "data.val_limit=40", "suite=features")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:QMCSampler is experimental")
def test_samplers(run, tmp_path):
    """Each sampler finishes its trials; the file has a line for each, and a second start repeats none."""
    (rows,) = tables(run("samplers", tmp_path, 1, *FEW, "study.n_trials=1", "space.step=[0.1, 0.5]"))
    assert [row["sampler"] for row in rows] == ["random", "qmc", "tpe"]
    lines = [json.loads(line) for line in (tmp_path / "samplers.jsonl").read_text().splitlines()]
    assert [line["sampler"] for line in lines] == ["random", "qmc", "tpe"]
    assert all(line["val"]["payload_bytes"] >= 0 and line["untrained_bpp"] > 0 for line in lines)
    assert is_picture(tmp_path / "samplers.png")


def test_samplers_of_earlier_studies(capsys, tmp_path):
    """The 480 trials of earlier studies still make the table of results.md."""
    lines = [json.loads(line) for line in (DATA / "samplers_digits.jsonl").read_text().splitlines()]
    importlib.import_module("benchmarks.samplers").summarise(lines, tmp_path / "a.png")
    rows = capsys.readouterr().out.splitlines()[2:]
    assert in_results("\n".join(rows))
