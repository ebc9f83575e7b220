"""Metric and size against the bits of run-length coding.

    python benchmarks/run_lengths.py RESULTS.jsonl PICTURE

Draws and prints the rows of `bottleneck evaluate task=detection suite=carra`, or of any task.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.shared import markdown, parser
from bottleneck.measure.results import Result, read_results
from bottleneck.show.captions import save


def draw(rows: Sequence[Result], frozen: Result, picture: Path) -> None:
    """Metrics on the left, KB per image on the right, both over the bits per element."""
    bits = [int(row.setting or 0) for row in rows]
    figure = Figure(figsize=(9, 4), layout="constrained")
    quality, size = figure.subplots(1, 2)
    for key, wanted in (frozen.metrics or {}).items():
        (line,) = quality.plot(
            bits,
            [(row.metrics or {})[key] for row in rows],
            marker="o",
            label=key.replace("_", " ").replace("map", "mAP"),
        )
        quality.axhline(wanted, color=line.get_color(), linestyle="--", linewidth=0.8)
    quality.set(xlabel="bits per element", ylabel="metric", ylim=(0, 1.02))
    quality.legend()
    size.plot(bits, [(row.payload_bytes or 0) / 1e3 for row in rows], marker="o", color="tab:grey")
    size.set(xlabel="bits per element", ylabel="payload (KB per image)", ylim=(0, None))
    for axes in (quality, size):
        axes.grid(alpha=0.25)
    figure.suptitle(
        f"{frozen.model} on {frozen.dataset}, {frozen.n:,} images: run lengths at {rows[0].split}"
    )
    save(figure, "Left: what is kept (dashed: the frozen network). Right: what it takes.", picture)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the picture and print the table."""
    options = parser(__doc__)
    options.add_argument("results", type=Path)
    options.add_argument("picture", type=Path)
    given = options.parse_args(arguments)
    found = read_results(given.results)
    frozen = next(row for row in found if row.kind == "frozen")
    rows = [row for row in found if row.family == "rle"]
    draw(rows, frozen, given.picture)
    lines = [
        {
            "method": row.method,
            **{name: f"{value:.3f}" for name, value in (row.metrics or {}).items()},
            "bytes": "" if row.payload_bytes is None else f"{row.payload_bytes:,.0f}",
            "zeros": "" if row.zero_fraction is None else f"{row.zero_fraction:.1%}",
        }
        for row in [frozen, *rows]
    ]
    print(markdown(lines))


if __name__ == "__main__":
    main()
