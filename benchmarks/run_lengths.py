"""Draw metric and size against the bits of run-length coding.

python benchmarks/run_lengths.py RESULTS.jsonl PICTURE

It takes the rows of `python evaluate.py task=detection suite=carra`, or of any task, and prints them as well.
"""

import sys
from pathlib import Path

import matplotlib
from tabulate import tabulate

from bottleneck.measure.results import Result, read_results

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def draw(rows: list[Result], frozen: Result, picture: Path) -> None:
    """Metrics on the left, KB per image on the right, both over the bits per element."""
    bits = [int(row.method.removeprefix("rle-")) for row in rows]
    figure, (quality, size) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for key, wanted in (frozen.metrics or {}).items():
        (line,) = quality.plot(bits, [(row.metrics or {})[key] for row in rows], marker="o", label=key)
        quality.axhline(wanted, color=line.get_color(), linestyle="--", linewidth=0.8)
    quality.set(xlabel="bits n", ylabel="metric (dashed: frozen network)", ylim=(0, 1.02))
    quality.legend()
    size.plot(bits, [(row.payload_bytes or 0) / 1e3 for row in rows], marker="o", color="tab:grey")
    size.set(xlabel="bits n", ylabel="KB per image", ylim=(0, None))
    figure.savefig(picture, dpi=120)


def main(results: str, picture: str) -> None:
    """Draw the picture and print the table."""
    found = read_results(Path(results))
    rows = [row for row in found if row.method.startswith("rle-")]
    draw(rows, found[0], Path(picture))
    names = [*(found[0].metrics or {})]
    lines = [
        [
            row.method,
            *(f"{(row.metrics or {})[name]:.3f}" for name in names),
            "" if row.payload_bytes is None else f"{row.payload_bytes:,.0f}",
            "" if row.zero_fraction is None else f"{row.zero_fraction:.1%}",
        ]
        for row in [found[0], *rows]
    ]
    header = ["method", *names, "bytes", "zeros"]
    print(tabulate(lines, header, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
