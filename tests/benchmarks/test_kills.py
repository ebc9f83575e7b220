"""`benchmarks/kills.py` does on little what it says it does."""

import pytest


@pytest.mark.slow
def test_kills(run, tmp_path):
    """A study whose workers are killed now and then ends as one that nothing happened to."""
    said = run("kills", "--kills", 3, "--trials", 3, "--folder", tmp_path / "kills")
    assert "'finished': 3" in said
    assert "equal: {'finished': True, 'frontier': True}" in said
