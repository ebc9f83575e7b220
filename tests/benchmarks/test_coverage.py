"""`benchmarks/coverage.py` does on little what it says it does."""

import json

from tests.benchmarks.printed import tables


def test_coverage(run, tmp_path):
    """A network of torchvision is cut where three cuts are useful, and both halves compute what it does."""
    (rows,) = tables(
        run("coverage", "torchvision", "--only=squeezenet1_1", "--rows", tmp_path / "rows.jsonl")
    )
    (row,) = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert "squeezenet1_1" in json.dumps(rows)
    assert row["useful"] >= 3
    assert row["worst"] < 1e-5
