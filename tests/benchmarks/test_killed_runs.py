"""`benchmarks/killed_runs.py` does on little what it says it does."""

import re

import pytest


@pytest.mark.slow
def test_killed_runs(run, tmp_path):
    """Exports that were killed, and one that then ended, leave what an undisturbed one writes."""
    said = run("killed_runs", "--of", "export", "--kills", 2, "--folder", tmp_path / "runs")
    assert re.match(r"2 kills of export in \d+ s, [1-9]\d* ended, 0 of them unequal", said)
