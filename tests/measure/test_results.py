"""The results contract, and its intervals."""

import json

import numpy as np
import pytest

from bottleneck.measure.results import Result, paired_interval, proportion_interval, read_results, write_results

CONTRACT = {
    *("method", "task", "dataset", "model", "split", "n", "metric", "value", "baseline"),
    *("payload_bytes", "bpp", "estimated_bpp", "encode_ms", "decode_ms", "head_ms", "tail_ms"),
    *("unit_params", "unit_macs", "seed"),
}


def row(**known):
    return Result(
        **{
            "method": "rle-4",
            "task": "classification",
            "dataset": "digits",
            "model": "m",
            "split": "layer2",
            "n": 500,
            "metric": "accuracy_top1",
            "value": 0.9,
            "baseline": 0.95,
            **known,
        }
    )


def test_every_key_of_the_contract_is_in_every_row(tmp_path):
    """Unknown quantities are null, never left out."""
    write_results([row(), row(payload_bytes=12.5)], tmp_path / "results.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert all(set(line) >= CONTRACT for line in lines)
    assert [line["payload_bytes"] for line in lines] == [None, 12.5]


def test_rows_survive_the_file(tmp_path):
    """Reading gives back what was written, and other tools' keys do no harm."""
    write_results([row(seed=3)], tmp_path / "results.jsonl")
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write(json.dumps({**json.loads((tmp_path / "results.jsonl").read_text()), "extra": 1}) + "\n")
    assert [r.seed for r in read_results(tmp_path / "results.jsonl")] == [3, 3]


@pytest.mark.parametrize(
    ("value", "n", "low", "high"),
    [(0.5, 10, 0.2366, 0.7634), (0.97, 1000, 0.9575, 0.9789), (1.0, 20, 0.8389, 1.0)],
)
def test_proportion_interval_is_wilsons(value, n, low, high):
    """The interval agrees with tabulated Wilson intervals to four decimals."""
    assert proportion_interval(value, n) == pytest.approx((low, high), abs=1e-4)


def test_paired_interval_uses_the_pairing():
    """Two methods that err on the same samples differ by nothing, with certainty."""
    scores = np.random.default_rng(0).integers(0, 2, 200).astype(float)
    assert paired_interval(scores, scores) == (0, 0)
    low, high = paired_interval(scores, np.roll(scores, 1))
    assert low < 0 < high


def test_paired_interval_covers_the_truth():
    """Over many draws the 95 % interval holds the true difference about 95 times in 100."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        reference = (rng.random(300) < 0.9).astype(float)
        scores = reference * (rng.random(300) < 0.95)
        low, high = paired_interval(reference, scores)
        hits += low <= 0.9 * 0.05 <= high
    assert 0.91 <= hits / 400 <= 0.98
