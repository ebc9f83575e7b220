"""Pictures of the metric against the payload: everything that a run measured, and what a study found.

The metric's axis ends some points below the frozen network, so that a loss looks as large as it is; what lies
further down is left out, and the sentence below says so. Few curves have names, the others stay grey.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bottleneck.measure.curves import bytes_at, curves, name_without_place
from bottleneck.measure.results import Result
from bottleneck.show.captions import save
from bottleneck.show.tables import bytes_cell

_NAMED = 8  # curves with a name and a colour
_DEPTH = 0.12  # the axis ends so far below the frozen network, or below the worst trained unit
_LOSSES = (0.01, 0.03)
_COLUMNS = 4  # small multiples in a line

Curve = list[Result]


def draw_rate_accuracy(rows: Sequence[Result], path: Path) -> None:
    """Draw the metric against payload bytes (log axis): trained units, then what needs fewest bytes."""
    found = _ranked(rows)
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots()
    for number, (name, curve) in reversed(list(enumerate(found.items()))):  # the first lie on top
        if number < _NAMED:
            _draw(axes, curve, _colour(number), name + _device_cost(curve))
        else:
            _draw(axes, curve, "0.8")
    _frame(axes, rows[0].baseline, [row.value for row in rows if row.kind == "trained"])
    _finish(axes, rows[0], len(found) - _NAMED)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], fontsize="small", loc="lower right")
    _save(figure, rows, _sentence(found, rows[0]), path)


def draw_families(rows: Sequence[Result], path: Path) -> None:
    """Draw a small picture for each curve, with all others in grey behind it; the same axes everywhere."""
    found = _ranked(rows)
    columns = min(_COLUMNS, len(found))
    lines = -(-len(found) // columns)
    figure = Figure(figsize=(2.4 * columns + 1.4, 2 * lines + 1.2), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (name, curve) in zip(panels.flat, found.items(), strict=False):
        for other in found.values():
            _draw(axes, other, "0.88", bars=False)
        _draw(axes, curve, _colour(0 if curve[0].kind == "trained" else 1))
        _frame(axes, rows[0].baseline, [row.value for row in rows if row.kind == "trained"])
        axes.tick_params(labelsize="small")
        axes.set_title(name, fontsize="medium")
    for axes in panels.flat[len(found) :]:
        axes.axis("off")
    for axes in panels.flat[len(found) - columns : len(found)]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    figure.supxlabel("payload (bytes per image, log scale)")
    figure.supylabel(f"{_metric(rows[0])} (%)")
    sentence = (
        "Each curve once, the others grey; stars: trained. By rising bytes at 3 points below the frozen "
        "network (dashed); bars are 95 % intervals."
    )
    _save(figure, rows, sentence, path)


def draw_frontier(
    trials: Sequence[Result], baselines: Sequence[Result], points: Sequence[tuple[float, float]], path: Path
) -> None:
    """Draw a study: every trial, the frontier, the frozen network's line and the untrained methods.

    Args:
        trials: The finished trials' rows on the validation samples.
        baselines: Rows of the frozen network and of untrained methods on the same samples.
        points: The frontier: bytes and metric of each point, by rising bytes.
        path: The picture.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots()
    axes.scatter(
        [row.payload_bytes or 0 for row in trials],
        [100 * row.value for row in trials],
        color=_colour(0),
        alpha=0.3,
        label=f"{len(trials)} trials",
    )
    axes.plot(
        [size for size, _ in points],
        [100 * value for _, value in points],
        color=_colour(0),
        marker="*",
        markersize=13,
        label="frontier",
    )
    untrained = _ranked(baselines)
    few = _NAMED - 2
    for number, (name, curve) in enumerate(untrained.items()):
        if number < few:
            _draw(axes, curve, _colour(number + 1), name)
        else:
            _draw(axes, curve, "0.8")
    _frame(axes, trials[0].baseline, [value for _, value in points])
    _finish(axes, trials[0], len(untrained) - few)
    handles, labels = axes.get_legend_handles_labels()  # curves with bars come last by themselves
    places = sorted(range(len(labels)), key=lambda place: labels[place].endswith(" more"))
    axes.legend(
        [handles[place] for place in places],
        [labels[place] for place in places],
        fontsize="small",
        loc="lower right",
    )
    low, _ = axes.get_ylim()
    below = sum(100 * row.value < low for row in trials)
    sentence = (
        f"Stars: the frontier, {len(points)} of {len(trials)} trials, chosen on held-out images; its bytes "
        "name the point, too. Dashed: the frozen network. Higher and further left is better; bars are 95 % "
        "intervals."
    )
    if below:
        sentence += f" Trials further down, not shown: {below}."
    _save(figure, trials, sentence, path)


def _ranked(rows: Sequence[Result]) -> dict[str, Curve]:
    """Curves: trained ones first, then by the bytes that they need at three points of loss.

    Where all were sent at one place, the title says so, and their names do not.
    """
    found = curves(rows)
    if len({curve[0].place for curve in found.values()}) == 1:
        found = {name_without_place(curve[0]): curve for curve in found.values()}

    def place(named: tuple[str, Curve]) -> tuple[bool, float, float]:
        _, curve = named
        cost = bytes_at(curve, curve[0].baseline - _LOSSES[-1])
        return curve[0].kind != "trained", float("inf") if cost is None else cost, -curve[-1].value

    return dict(sorted(found.items(), key=place))


def _draw(axes: Axes, curve: Curve, colour: Any, label: str | None = None, bars: bool = True) -> None:
    """A curve with its points, and the 95 % interval of each."""
    named = colour if not isinstance(colour, str) else None
    sizes = np.array([row.payload_bytes for row in curve])
    values = np.array([row.value for row in curve])
    low, high = np.array([row.value_interval or (row.value,) * 2 for row in curve]).T
    trained = curve[0].kind == "trained"
    axes.errorbar(
        sizes,
        100 * values,
        yerr=None if named is None or not bars else (100 * (values - low), 100 * (high - values)),
        color=colour,
        marker="*" if trained else "o",
        markersize=(13 if trained else 5) if named is not None else 2,
        linewidth=1.8 if named is not None else 0.8,
        elinewidth=0.8,
        label=label,
        zorder=3 if named is not None else 1,
    )


def _frame(axes: Axes, baseline: float, shown: Sequence[float]) -> None:
    """Log bytes, the frozen network's line, and the metric down to where a loss is no longer of interest.

    Values of the metric that have to be seen are, however low they are.
    """
    lowest = min([baseline - _DEPTH, *(value - 0.02 for value in shown)])
    axes.axhline(100 * baseline, color="0.4", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set_ylim(100 * max(0.0, lowest), 100 * min(1.005, baseline + 0.02))
    axes.grid(alpha=0.25)


def _finish(axes: Axes, row: Result, unnamed: int) -> None:
    """Names of the axes, and the losses at which methods are compared."""
    baseline = row.baseline
    low, high = axes.get_ylim()
    losses = [loss for loss in _LOSSES if 100 * loss > 0.03 * (high - low)]  # of which the names are apart
    for loss in losses:
        axes.axhline(100 * (baseline - loss), color="0.6", linestyle=":", linewidth=0.8)
    for loss, text in ((0.0, "frozen network"), *((each, f"−{100 * each:.0f}") for each in losses)):
        where = (1.005, 100 * (baseline - loss))
        axes.annotate(text, where, xycoords=("axes fraction", "data"), fontsize="small", va="center")
    if unnamed > 0:
        axes.plot([], [], color="0.8", label=f"{unnamed} more")
    axes.set_xlabel("payload (bytes per image, log scale)")
    axes.set_ylabel(f"{_metric(row)} (%)")


def _sentence(found: dict[str, Curve], row: Result) -> str:
    """What the picture says: bytes of the best trained and untrained curve at three points of loss."""
    target = row.baseline - _LOSSES[-1]
    best: dict[str, str] = {
        curve[0].kind: f"{name} needs {bytes_cell(curve, target)} bytes"
        for name, curve in reversed(found.items())  # the best of its kind comes last
        if bytes_at(curve, target) is not None
    }
    told = " and ".join(best[kind] for kind in ("trained", "untrained") if kind in best)
    said = f"At 3 points below it, {told}." if told else "Nothing comes within 3 points of it."
    return f"Dashed: the frozen network. {said} Higher and further left is better; bars are 95 % intervals."


def _device_cost(curve: Curve) -> str:
    """What the device spends on one image at most, for a curve's label."""
    macs = [row.device_macs for row in curve if row.device_macs is not None]
    times = [row.device_ms for row in curve if row.device_ms is not None]
    cost = [f"{max(macs) / 1e6:,.1f} MMACs"] if macs else []
    cost += [f"{max(times):,.1f} ms"] if times else []
    return f" ({', '.join(cost)})" if cost else ""


def _metric(row: Result) -> str:
    return row.metric.replace("_", " ")


def _colour(number: int) -> Any:
    return matplotlib.colormaps["tab10"](number % 10)


def _save(figure: Figure, rows: Sequence[Result], sentence: str, path: Path) -> None:
    """Title, a sentence below, and the file."""
    places = dict.fromkeys(row.place for row in rows if row.kind != "frozen")
    figure.suptitle(f"{rows[0].model} on {rows[0].dataset}, {rows[0].n:,} images: cut at {', '.join(places)}")
    save(figure, sentence, path)
