"""`benchmarks/steps.py` does on little what it says it does."""

from tests.benchmarks.printed import tables


def test_steps(run):
    """Five ways to take a step, each with the processor time that it took."""
    (rows,) = tables(run("steps", "--steps", 10, "data.batch_size=16"))
    assert len(rows) == 5
    assert float(rows[1]["process"]) > 0
    assert all(float(row["kernel"]) >= 0 for row in rows)
