"""Average the rows of several runs, one line per method.

    python benchmarks/summarise.py RUN_FOLDER...

Rows that differ in their seed only are averaged; bundles and untrained methods that do not depend on it are
listed once. Prints Markdown.
"""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.shared import markdown, parser
from bottleneck.measure.results import Result, read_results


def summary(rows: list[Result]) -> str:
    """A table of means over seeds, accuracies with their range."""
    groups: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
    for row in rows:
        groups[row.model, row.place, row.method].append(row)
    lines = []
    for (model, split, method), members in groups.items():
        values = [row.value for row in members]
        spread = f" [{min(values):.4f}, {max(values):.4f}]" if max(values) > min(values) else ""
        lines.append(
            [
                model,
                split,
                method,
                len({row.seed for row in members}),
                members[0].n,
                f"{statistics.fmean(values):.4f}{spread}",
                _mean([row.payload_bytes for row in members], ",.1f"),
                _mean([row.bpp for row in members], ".4g"),
                _mean([_ideal_bytes(row) for row in members], ",.1f"),
                _mean([row.zero_fraction for row in members], ".0%"),
            ]
        )
    header = [
        "network",
        "split",
        "method",
        "seeds",
        "n",
        rows[0].metric,
        "bytes",
        "bpp",
        "ideal bytes",
        "zeros",
    ]
    return markdown(lines, header)


def _ideal_bytes(row: Result) -> float | None:
    if row.estimated_bpp is None or not row.payload_bytes or not row.bpp:
        return None
    return row.payload_bytes * row.estimated_bpp / row.bpp


def _mean(values: Sequence[float | None], spec: str) -> str:
    known = [value for value in values if value is not None]
    return format(statistics.fmean(known), spec) if known else ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the folders that the command line names and print their summary."""
    options = parser(__doc__)
    options.add_argument("folders", nargs="+", type=Path, help="run folders, or folders of runs")
    folders = options.parse_args(arguments).folders
    files = [file for folder in folders for file in sorted(folder.rglob("results.jsonl"))]
    print(summary([row for file in files for row in read_results(file)]))


if __name__ == "__main__":
    main()
