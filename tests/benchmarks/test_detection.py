"""`benchmarks/detection.py` does on little what it says it does."""

import json

import pytest

from tests.benchmarks.printed import tables


@pytest.mark.slow
def test_detection(run, weights, tmp_path):
    """Rows say what they are: the frozen network and the suite once, each unit through each of its codecs."""
    out = tmp_path / "scenes.jsonl"
    few = (
        "data.train_scenes=12",
        "data.val_scenes=4",
        "trainer.max_epochs=1",
        "+trainer.limit_val_batches=0",
    )
    overrides = ("device=cpu", f"model.weights={weights('scenes_detector')}", *few)
    text = run("detection", out, *overrides, "--slim", 3, "--depthwise", 4)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    trained = [(row["method"], row["family"], row["setting"]) for row in rows if row["kind"] == "trained"]
    assert trained == [
        ("depthwise-4-range", "depthwise-range", "4"),
        ("slim-3-affine", "slim-affine", "3"),
        ("slim-3-range", "slim-range", "3"),
    ]
    assert [row["method"] for row in rows if row["kind"] == "frozen"] == ["frozen"]
    assert sum(row["family"] == "rle" for row in rows) == 4
    assert all(
        row["train_seconds"] > 0 and row["payload_bytes"] > 0 for row in rows if row["kind"] == "trained"
    )
    assert len(tables(text)[0]) == len(rows)
    assert run("detection", out, "--table") == text[text.index("| method") :]
