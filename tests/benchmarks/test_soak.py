"""`benchmarks/soak.py` does on little what it says it does."""

import re

import pytest

from bottleneck.deploy.places import found
from tests.benchmarks.printed import tables


@pytest.mark.slow
def test_soak(run):
    """Through a bad link every frame of every device is counted, and both processes are watched."""
    pytest.importorskip("grpc", reason="extra `runtime` is not installed")
    printed = run("soak", found("zoo:digits/default"), "--devices", 2, "--minutes", 0.1)
    memory, became = tables(printed)
    assert len(memory) == 10
    assert all(float(row["server MB"]) > 10 for row in memory)
    total = int(re.search(r"^(\d+) frames of 2 devices", printed, re.MULTILINE).group(1))
    assert sum(int(row["frames"]) for row in became) == total > 0
