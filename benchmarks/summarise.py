"""Average the rows of several runs, one line per method: python benchmarks/summarise.py RUN_FOLDER...

Rows that differ in their seed only are averaged; bundles and untrained methods that do not depend on it are
listed once. Prints Markdown.
"""

import argparse
import statistics
from collections import defaultdict
from pathlib import Path

from tabulate import tabulate

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
                *(_mean(members, key) for key in ("payload_bytes", "bpp", "ideal_bytes", "zero_fraction")),
            ]
        )
    header = [
        "network",
        "split",
        "method",
        "seeds",
        "n",
        members[0].metric,
        "bytes",
        "bpp",
        "ideal bytes",
        "zeros",
    ]
    return tabulate(lines, header, tablefmt="github", disable_numparse=True)


def _mean(members: list[Result], key: str) -> str:
    if key == "ideal_bytes":
        sizes = [
            row.payload_bytes * row.estimated_bpp / row.bpp
            for row in members
            if row.estimated_bpp is not None and row.payload_bytes and row.bpp
        ]
        return f"{statistics.fmean(sizes):,.1f}" if sizes else ""
    values = [getattr(row, key) for row in members]
    if None in values:
        return ""
    return format(
        statistics.fmean(values), {"payload_bytes": ",.1f", "bpp": ".4g", "zero_fraction": ".0%"}[key]
    )


def main() -> None:
    """Read the folders that the command line names and print their summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders of runs")
    files = [file for folder in parser.parse_args().folders for file in sorted(folder.rglob("results.jsonl"))]
    print(summary([row for file in files for row in read_results(file)]))


if __name__ == "__main__":
    main()
