"""`benchmarks/run_lengths.py` does on little what it says it does."""

from tests.benchmarks.printed import DATA, is_picture, tables


def test_run_lengths(run, tmp_path):
    """The rows of one evaluation make eight settings under the frozen network, and the picture."""
    (rows,) = tables(run("run_lengths", DATA / "scenes_run_lengths.jsonl", tmp_path / "a.png"))
    assert [row["method"] for row in rows] == ["frozen", *(f"rle-{bits}" for bits in range(1, 9))]
    assert rows[2] == {
        "method": "rle-2",
        "map": "0.749",
        "map50": "0.972",
        "mask_map": "0.455",
        "mask_map50": "0.966",
        "bytes": "2,305",
        "zeros": "87.2%",
    }
    assert is_picture(tmp_path / "a.png")
