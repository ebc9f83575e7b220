"""`benchmarks/control.py` does on little what it says it does."""

import json

import pytest

from tests.benchmarks.printed import tables


@pytest.mark.slow
def test_control(run, tmp_path):
    """The table has a line for each kind of link, the rows one for each seed, and the plan is drawn."""
    printed = run("control", "--rows", tmp_path / "rows.jsonl", "--picture", tmp_path / "plan.png")
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    links = {row["trace"] for row in rows}
    assert len(rows) == 5 * len(links)
    assert all(f"| {link} " in printed for link in links)
    assert (tmp_path / "plan.png").stat().st_size > 20_000


def test_control_on_recorded_traces(run, tmp_path):
    """Files take the place of what is made up, and are run to their ends; what is none is named."""
    tram, short = tmp_path / "tram.csv", tmp_path / "short.csv"
    tram.write_text("seconds,bandwidth\n0,5e6\n150,5e4\n300,5e4\n")
    short.write_text("seconds,bandwidth\n0,5e6\n")
    rows = tmp_path / "rows.jsonl"
    (table,) = tables(run("control", "--trace", tram, short, "--rows", rows))
    assert [row["link"] for row in table] == [str(tram), str(short)]
    found = [json.loads(line) for line in rows.read_text().splitlines()]
    switches = {row["trace"]: row["oracle_switches"] for row in found}
    assert switches == {str(tram): 1, str(short): 0}  # from a picture to the device, behind the two minutes
    tram.write_text("0,5e6\n")
    with pytest.raises(ValueError, match=r"tram\.csv is no trace"):
        run("control", "--trace", tram)
