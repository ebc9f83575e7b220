"""What every run that measures leaves in its folder: rows for machines, a table and a picture for people."""

from collections.abc import Sequence
from pathlib import Path

from bottleneck.files import replace_text
from bottleneck.measure.results import Result, write_results
from bottleneck.show.pictures import draw_rate_accuracy
from bottleneck.show.tables import full_table

FILES = "results.jsonl, results.csv, results.md, rate_accuracy.png"


def write_outputs(rows: Sequence[Result], folder: Path) -> None:
    """Write `FILES`."""
    write_results(rows, folder / "results.jsonl")
    replace_text(folder / "results.md", full_table(rows) + "\n")
    draw_rate_accuracy(rows, folder / "rate_accuracy.png")
