"""The results contract."""

import csv
import json

from bottleneck.measure.results import (
    Result,
    read_results,
    write_results,
)

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


def test_rows_are_there_for_spreadsheets(tmp_path):
    """The CSV beside the lines has every key as a column; several numbers in a cell are JSON."""
    write_results([row(), row(payload_bytes=12.5, drop_interval=(0.0, 0.1))], tmp_path / "results.jsonl")
    with (tmp_path / "results.csv").open(newline="") as file:
        empty, full = csv.DictReader(file)
    assert set(empty) >= CONTRACT
    assert (empty["payload_bytes"], full["payload_bytes"]) == ("", "12.5")
    assert json.loads(full["drop_interval"]) == [0.0, 0.1]
