"""`benchmarks/runtime.py` does on little what it says it does."""

import json
import re

import pytest

from bottleneck.deploy.places import found
from tests.benchmarks.printed import tables


@pytest.mark.slow
def test_runtime(run, tmp_path):
    """Every message returns, devices are answered, an overload is offered more, and all rows are written."""
    pytest.importorskip("grpc", reason="extra `runtime` is not installed")
    few = ("--devices", 2, "--seconds", 1, "--count", 30)
    printed = run("runtime", found("zoo:digits/default"), *few, "--rows", tmp_path / "rows.jsonl")
    trips, results, (devices,) = tables(printed)
    assert [row["bytes"] for row in trips] == ["35", "500", "10000"]
    assert [row["payload"] for row in results] == ["41 B", "505 B", "9993 B"]
    assert all(0 < float(row["worker alone p50"]) < float(row["frame to result p50"]) for row in results)
    assert all(0 < float(row["socket p50"]) < float(row["gRPC p50"]) for row in trips)
    assert float(devices["answered/s"]) > 0
    assert float(devices["of batches of 8"].rstrip("%")) > 0
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    count = {row["table"]: sum(one["table"] == row["table"] for one in rows) for row in rows}
    assert count == {
        "round trips": 3,
        "frame to result": 3,
        "worker alone": 2,
        "devices": 1,
        "overload": 1,
    }
    one, batched = (row["frames_per_s"] for row in rows if row["table"] == "worker alone")
    (answered,) = (row for row in rows if row["table"] == "devices")
    assert answered["of_one_by_one"] * one == pytest.approx(answered["of_batches"] * batched)
    offered, answered = map(float, re.search(r"offer (\S+) frames/s: (\S+)\nare answered", printed).groups())
    assert 0 < answered < offered
