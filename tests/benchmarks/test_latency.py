"""`benchmarks/latency.py` does on little what it says it does."""

import json

import pytest

from tests.benchmarks.printed import tables


@pytest.mark.slow
def test_latency(run, digits_bundle, tmp_path):
    """The device's half gives the same answers and bytes in eager PyTorch and in ONNX Runtime."""
    rows_file = tmp_path / "rows.jsonl"
    sizes = ("--images", 20, "--timed", 4, "--calibration", 8)
    runtimes = ("--runtimes", "eager", "onnx", "onnx-int8")
    text = run("latency", digits_bundle, "--rows", rows_file, *sizes, *runtimes)
    rows = [json.loads(line) for line in rows_file.read_text().splitlines()]
    ways = {(row["way"], row["runtime"]): row for row in rows}
    assert len(ways) == 3 + 3 + 4
    assert all(row["ms"] > 0 and row["n"] == 20 for row in rows)
    assert ways["whole network", "onnx"]["value"] >= 0.9
    eager, onnx = ways["split", "eager"], ways["split", "onnx"]
    assert eager["value"] == onnx["value"]
    assert eager["payload_bytes"] == pytest.approx(onnx["payload_bytes"], rel=0.02)
    assert [row["runtime"] for row in tables(text)[1]] == ["eager", "onnx", "onnx-int8"]
