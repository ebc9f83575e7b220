"""Bottlenecks at several split points and pictures of the input, in one picture.

    python benchmarks/headline.py PICTURE ROWS... [--studies STUDY...] [--features ROWS...]

ROWS is a `results.jsonl` of `bottleneck train` or `evaluate`: its trained rows are drawn by split point, the
seeds of one setting averaged, with pictures of the input beside them. STUDY is a `trials.jsonl`; its frontier
is chosen on the selection samples and drawn at its validation rows. Of `--features`, rows of a whole suite at
a cut each, the best untrained codecs are taken. All are of one network on the same validation images. Left:
the metric against bytes. Right: what a metric of 1 and of 3 points below the frozen network costs in bytes,
against what the device has to compute; printed as a table.
"""

import json
import math
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
from bottleneck.show.captions import save
from bottleneck.show.tables import bytes_cell

DROPS = (0.01, 0.03)
_THEN = ", then a picture"
_NAMED = 7  # curves of the left panel that have a name and a colour
_DEPTH = 0.12  # of the left panel, below the frozen network


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


def best_features(paths: Sequence[Path]) -> dict[str, list[Result]]:
    """At each cut the untrained codecs of the feature that need the fewest bytes at one of the drops."""
    best: dict[str, list[Result]] = {}
    for path in paths:
        found = curves([row for row in read_results(path) if row.kind == "untrained"])
        for drop in DROPS:
            sizes = {name: bytes_at(rows, rows[0].baseline - drop) for name, rows in found.items()}
            name = min(sizes, key=lambda name: sizes[name] or math.inf)
            best[name] = found[name]
    return best


def draw(lines: dict[str, list[Result]], studies: dict[str, list[Result]], path: Path) -> None:
    """Both panels; fonts are read at half the picture's size."""
    figure, (rate, device) = plt.subplots(1, 2, figsize=(8, 4.4), layout="constrained", width_ratios=(5, 4))
    colours: dict[str, str] = {}  # a cut and its cascade share one
    for name, rows in studies.items():
        colour = colours.setdefault(name.removesuffix(_THEN), f"C{len(colours)}")
        style = {"linestyle": "--", "linewidth": 1, "markerfacecolor": "none"} if name.endswith(_THEN) else {}
        rate.plot(*_points(rows), marker="*", markersize=8, color=colour, label=name, **style)
    pictures = [name for name, rows in lines.items() if rows[0].split == "input"]
    for name in sorted(pictures, key=lambda name: bytes_at(lines[name], _target(lines[name])) or math.inf):
        few = len(rate.get_legend_handles_labels()[0]) < _NAMED
        colour = f"C{len(colours) + pictures.index(name)}" if few else "0.8"
        rate.plot(*_points(lines[name]), ":o", color=colour, label=name if few else None, markersize=3)
    frozen = next(iter(studies.values()))[0].baseline
    rate.axhline(frozen, color="grey", linestyle="--", linewidth=1)
    rate.set(xscale="log", xlabel="bytes per image", ylabel="top-1", ylim=(frozen - _DEPTH, None))
    for drop, marker in zip(DROPS, "ov", strict=True):
        _draw_costs(device, studies, lines, colours, drop, marker)
    device.set(xlabel="device (million MACs)", ylabel="bytes per image", yscale="log", xlim=(-20, 520))
    for axis in (rate.xaxis, device.yaxis):
        axis.set_major_formatter("{x:,.0f}")
    for axes in (rate, device):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small", loc="lower left")
    sentence = (
        "Grey line: the frozen network. Hollow: a picture is sent as well where the server is not sure. "
        "Dotted and grey: what is not trained; the best have names, 'twice' where a better picture follows."
    )
    save(figure, sentence, path)


def _points(rows: Sequence[Result]) -> tuple[list[float], list[float]]:
    return [row.payload_bytes or 0 for row in rows], [row.value for row in rows]


def _target(rows: Sequence[Result]) -> float:
    return rows[0].baseline - max(DROPS)


def _draw_costs(
    axes: Axes,
    studies: dict[str, list[Result]],
    lines: dict[str, list[Result]],
    colours: dict[str, str],
    drop: float,
    marker: str,
) -> None:
    axes.scatter(
        [], [], color="black", marker=marker, label=f"{100 * drop:.0f} point{'s'[: drop > 0.01]} below"
    )
    best: dict[tuple[str, bool], tuple[float, float, str]] = {}  # of what is not trained, by split point
    place = (5, 3 if drop == min(DROPS) else -9)
    for name, rows in {**studies, **lines}.items():
        target = rows[0].baseline - drop
        size = bytes_at(rows, target)
        if size is None or (name.endswith(_THEN) and rows[0].value > target):  # that is asked for less
            continue
        macs = max(row.device_macs or 0 for row in rows) / 1e6
        colour = colours.get(name.removesuffix(_THEN), "0.7")
        axes.scatter(
            macs, size, marker=marker, color=colour, facecolor="none" if name.endswith(_THEN) else colour
        )
        if name in lines:
            first, twice, _ = name.partition("-then-")
            if twice and rows[0].value > target:
                continue
            told = f"{first.partition('-')[0]} twice" if twice else name.partition(" at ")[0]
            kind = (rows[0].split, bool(twice))
            best[kind] = min(best.get(kind, (size, macs, told)), (size, macs, told))
        else:
            text = f"{'≤ ' * (rows[0].value > target)}{size:,.0f}"  # no cheaper point was trained
            axes.annotate(text, (macs, size), place, textcoords="offset points", fontsize="small")
    for size, macs, told in best.values():
        text, beside = f"{told} {size:,.0f}", (place[0], max(place[1], -4))
        axes.annotate(text, (macs, size), beside, textcoords="offset points", fontsize="x-small")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, print, draw."""
    options = parser(__doc__)
    options.add_argument("picture", type=Path)
    options.add_argument("rows", type=Path, nargs="+")
    options.add_argument("--studies", type=Path, nargs="+", default=[])
    options.add_argument("--features", type=Path, nargs="+", default=[])
    given = options.parse_args(arguments)
    rows = [row for path in given.rows for row in read_results(path)]
    found = [study_frontier(path) for path in given.studies]
    studies = {f"study at {rows[0].split}": rows for rows in found} | trained_curves(rows)
    sent = [row for row in rows if row.split == "input"]
    lines = {rows[0].family or "": rows for rows in curves(sent).values() if len(rows) > 1}
    lines |= best_features(given.features)
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
