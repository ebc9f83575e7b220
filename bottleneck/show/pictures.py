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

from bottleneck.measure.curves import bytes_at, curves
from bottleneck.measure.results import Result
from bottleneck.show.captions import save
from bottleneck.show.tables import bytes_cell

_NAMED = 8  # curves with a name and a colour
_DEPTH = 0.12  # the axis ends so far below the frozen network, or below the worst trained unit
_LOSSES = (0.01, 0.03)
_COLUMNS = 3  # small multiples in a line

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
    _finish(axes, rows, len(found) - _NAMED)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], fontsize="small", loc="lower right")
    _save(figure, rows, _sentence(found, rows[0]), path)


def draw_families(rows: Sequence[Result], path: Path) -> None:
    """Draw a small picture for each curve, with all others in grey behind it; the same axes everywhere."""
    found = _ranked(rows)
    lines = -(-len(found) // _COLUMNS)
    columns = min(_COLUMNS, len(found))
    figure = Figure(figsize=(3 * columns + 0.6, 2.3 * lines + 1.2), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (name, curve) in zip(panels.flat, found.items(), strict=False):
        for other in found.values():
            _draw(axes, other, "0.88", bars=False)
        _draw(axes, curve, _colour(0 if curve[0].kind == "trained" else 1))
        _frame(axes, rows)
        axes.set_title(name, fontsize="medium")
    for axes in panels.flat[len(found) :]:
        axes.axis("off")
    figure.supxlabel("payload (bytes per image, log scale)")
    figure.supylabel(f"{_metric(rows[0])} (%)")
    _save(figure, rows, "Ordered by bytes at 3 points below the frozen network (dashed).", path)


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
    sizes, values = [row.payload_bytes or 0 for row in trials], [100 * row.value for row in trials]
    axes.scatter(sizes, values, color=_colour(0), alpha=0.3, label=f"{len(trials)} trials")
    axes.plot(
        [size for size, _ in points],
        [100 * value for _, value in points],
        color=_colour(0),
        marker="*",
        markersize=13,
        label="frontier, on held-out images",
    )
    untrained = _ranked(baselines)
    for number, (name, curve) in enumerate(untrained.items()):
        if number < _NAMED - 2:
            _draw(axes, curve, _colour(number + 1), name)
        else:
            _draw(axes, curve, "0.8")
    _finish(axes, [*trials, *baselines], len(untrained) - _NAMED + 2)
    axes.legend(fontsize="small", loc="lower right")
    told = f"{len(points)} of {len(trials)} trials are on the frontier; its bytes name the point, too."
    _save(figure, trials, told, path)


def _ranked(rows: Sequence[Result]) -> dict[str, Curve]:
    """Curves: trained ones first, then by the bytes that they need at three points of loss."""

    def place(named: tuple[str, Curve]) -> tuple[bool, float, float]:
        _, curve = named
        cost = bytes_at(curve, curve[0].baseline - _LOSSES[-1])
        return curve[0].kind != "trained", float("inf") if cost is None else cost, -curve[-1].value

    return dict(sorted(curves(rows).items(), key=place))


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


def _frame(axes: Axes, rows: Sequence[Result]) -> None:
    """Log bytes, the frozen network's line, and the metric down to where a loss is no longer of interest."""
    baseline = rows[0].baseline
    trained = [row.value for row in rows if row.kind == "trained"]
    lowest = min([baseline - _DEPTH, *(value - 0.02 for value in trained)])
    axes.axhline(100 * baseline, color="0.4", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set_ylim(100 * max(0.0, lowest), 100 * min(1.005, baseline + 0.02))
    axes.grid(alpha=0.25)


def _finish(axes: Axes, rows: Sequence[Result], unnamed: int) -> None:
    """Frame, names of the axes, and the losses at which methods are compared."""
    _frame(axes, rows)
    baseline = rows[0].baseline
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
    axes.set_ylabel(f"{_metric(rows[0])} (%)")


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
