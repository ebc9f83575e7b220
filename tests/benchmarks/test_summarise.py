"""`benchmarks/summarise.py` does on little what it says it does."""

import json

from tests.benchmarks.printed import DATA, in_results, tables


def test_summarise(run, tmp_path):
    """The rows of an earlier run still make their table of results.md."""
    (tmp_path / "results.jsonl").write_text((DATA / "digits.jsonl").read_text())
    assert in_results(run("summarise", tmp_path))


def test_summarise_averages_seeds(run, tmp_path):
    """Two seeds of one method are one line with their range; what does not depend on the seed stays."""
    frozen, row = [json.loads(line) for line in (DATA / "digits.jsonl").read_text().splitlines()[:2]]
    for seed, value in ((0, 0.9), (1, 0.8)):
        (tmp_path / str(seed)).mkdir()
        rows = [
            {**frozen, "seed": seed},
            {**row, "seed": seed, "value": value, "payload_bytes": 10 + 2 * seed},
        ]
        lines = "".join(json.dumps(line) + "\n" for line in rows)
        (tmp_path / str(seed) / "results.jsonl").write_text(lines)
    ((first, second),) = tables(run("summarise", tmp_path))
    assert (first["method"], first["seeds"], first["bytes"]) == ("frozen", "2", "")
    assert (second["accuracy_top1"], second["bytes"]) == ("0.8500 [0.8000, 0.9000]", "11.0")
