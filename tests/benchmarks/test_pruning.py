"""`benchmarks/pruning.py` does on little what it says it does."""

import pytest

from tests.benchmarks.printed import tables

FEW = ("device=cpu", "trainer.max_epochs=2", "data.train_limit=120", "data.val_limit=40", "suite=features")


@pytest.mark.slow
def test_pruning(run):
    """Two studies from one seed: the same number of trials, and where none was stopped the same frontier."""
    (rows,) = tables(run("pruning", *FEW, "study.n_trials=2", "space.step=[0.1, 0.5]"))
    assert [row["pruning"] for row in rows] == ["with", "without"]
    assert all(int(row["finished"]) + int(row["stopped"]) == 2 for row in rows)
    assert rows[1]["stopped"] == "0"
    assert all(float(row["hypervolume"]) > 0 for row in rows)
