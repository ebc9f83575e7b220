"""Bottlenecks at several split points and pictures of the input, in one picture.

    python benchmarks/headline.py PICTURE ROWS... [--studies STUDY...]

ROWS is a `results.jsonl` of `bottleneck train` or `evaluate`: its trained rows are drawn by split point, the
seeds of one setting averaged, with pictures of the input beside them. STUDY is a `trials.jsonl`; its frontier
is chosen on the selection samples and drawn at its validation rows. All are of one network on the same
validation images. Left: the metric against bytes. Right: what a metric of 1 and of 3 points below the frozen
network costs in bytes, against what the device has to compute; printed as a table.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.shared import markdown, parser
from bottleneck.measure import pareto
from bottleneck.measure.curves import bytes_at, curves
from bottleneck.measure.results import Result, read_results
from bottleneck.show.tables import bytes_cell

DROPS = (0.01, 0.03)
_THEN = ", then a picture"


def study_frontier(path: Path) -> list[Result]:
    """Validation rows of the trials that no other beats on the selection samples, by rising rate there."""
    trials = [json.loads(line) for line in path.read_text().splitlines()]
    done = [trial for trial in trials if trial["state"] == "COMPLETE"]
    rates, values = zip(*(trial["values"] for trial in done), strict=True)
    return [Result(**done[index]["val"]) for index in pareto.frontier(rates, values)]


def trained_curves(rows: Sequence[Result]) -> dict[str, list[Result]]:
    """Trained rows by split point, by rising payload; the seeds of one setting are one row, their mean.

    What another row of the same curve beats is left out. Those of a cascade, one at each split point, are a
    curve of their own.
    """
    settings: dict[tuple[str, bool, str | None], list[Result]] = defaultdict(list)
    for row in rows:
        if row.kind == "trained":
            settings[row.split, row.asked_again is not None, row.setting].append(row)
    means = [
        replace(
            members[0],
            value=mean(row.value for row in members),
            payload_bytes=mean(row.payload_bytes or 0 for row in members),
        )
        for members in settings.values()
    ]
    return {_name(found[0]): _unbeaten(found) for found in curves(means).values()}


def _unbeaten(rows: Sequence[Result]) -> list[Result]:
    """Rows than which no other has both fewer bytes and a better metric, by rising payload."""
    sizes = [row.payload_bytes or 0.0 for row in rows]
    return [rows[index] for index in pareto.frontier(sizes, [row.value for row in rows])]


def _name(row: Result) -> str:
    return f"bottleneck at {row.split}" + (_THEN if row.asked_again is not None else "")


def draw(lines: dict[str, list[Result]], studies: dict[str, list[Result]], path: Path) -> None:
    """Both panels."""
    figure, (rate, device) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
    colours: dict[str, str] = {}  # a cut and its cascade share one
    for name, rows in {**studies, **lines}.items():
        sizes, values = zip(*((row.payload_bytes, row.value) for row in rows), strict=True)
        colour = colours.setdefault(name.removesuffix(_THEN), f"C{len(colours)}")
        marker, size = ("*", 9) if name in studies else ("o", 4)
        style = "--" if name.endswith(_THEN) else "-" if name in studies else ":"
        rate.plot(sizes, values, style + marker, color=colour, label=name, markersize=size)
    frozen = next(iter(studies.values()))[0].baseline
    rate.axhline(frozen, color="grey", linestyle="--", label="frozen network")
    rate.set(xscale="log", xlabel="payload (bytes per image)", ylabel="top-1 on validation images")
    for drop, marker in zip(DROPS, "ov", strict=True):
        _draw_costs(device, studies, lines, drop, marker)
    device.set(xlabel="device (million multiply-accumulates)", ylabel="bytes per image", yscale="log")
    for axes in (rate, device):
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _draw_costs(
    axes: Axes, studies: dict[str, list[Result]], lines: dict[str, list[Result]], drop: float, marker: str
) -> None:
    points = [
        (max(row.device_macs or 0 for row in rows) / 1e6, size, name)
        for name, rows in {**studies, **lines}.items()
        if (size := bytes_at(rows, rows[0].baseline - drop)) is not None
        if not (name.endswith(_THEN) and rows[0].value > rows[0].baseline - drop)  # what is asked for less
    ]
    axes.scatter(
        [macs for macs, *_ in points],
        [size for _, size, _ in points],
        marker=marker,
        label=f"{100 * drop:.0f} point{'s' * (drop > 0.01)} below the frozen network",
    )
    named = [point for point in points if point[2] in studies]
    named += sorted((point for point in points if point[2] in lines), key=lambda point: point[1])[:1]
    below = (5, 4) if drop == min(DROPS) else (5, -10)  # as one cut's two points lie close
    for macs, size, name in named:
        axes.annotate(name, (macs, size), fontsize="x-small", textcoords="offset points", xytext=below)
    axes.set_xlim(-20, 1.5 * max(macs for macs, *_ in points) + 20)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, print, draw."""
    options = parser(__doc__)
    options.add_argument("picture", type=Path)
    options.add_argument("rows", type=Path, nargs="+")
    options.add_argument("--studies", type=Path, nargs="+", default=[])
    given = options.parse_args(arguments)
    rows = [row for path in given.rows for row in read_results(path)]
    found = [study_frontier(path) for path in given.studies]
    studies = {f"study at {rows[0].split}": rows for rows in found} | trained_curves(rows)
    sent = [row for row in rows if row.split == "input"]
    lines = {rows[0].family or "": rows for rows in curves(sent).values() if len(rows) > 1}
    table = [
        [
            name,
            f"{max(row.device_macs or 0 for row in rows) / 1e6:,.1f}",
            *(bytes_cell(rows, rows[0].baseline - drop) for drop in DROPS),
        ]
        for name, rows in {**studies, **lines}.items()
    ]
    print(
        markdown(table, ["method", "device MMACs", *(f"bytes at {100 * drop:.0f} below" for drop in DROPS)])
    )
    draw(lines, studies, given.picture)


if __name__ == "__main__":
    main()
