"""Pictures of the metric against the payload: everything that a run measured, and what a study found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bottleneck.files import replace_file
from bottleneck.measure.curves import curves
from bottleneck.measure.results import Result

_LEGEND_INSIDE = 6  # more curves than that have their legend beside the picture


def draw_rate_accuracy(rows: Sequence[Result], path: Path) -> None:
    """Draw the metric against payload bytes (log axis), with the frozen network as a line."""
    found = curves(rows)
    many = len(found) > _LEGEND_INSIDE
    figure, axes = plt.subplots(figsize=(12, 6.5) if many else (7, 4.5), layout="constrained")
    colours = matplotlib.colormaps["tab20" if many else "tab10"]
    for number, (name, members) in enumerate(found.items()):
        trained = members[0].kind == "trained"
        curve = np.array([(m.payload_bytes, m.value, *(m.value_interval or (m.value,) * 2)) for m in members])
        size, value, low, high = curve.T
        axes.errorbar(
            size,
            value,
            yerr=(value - low, high - value),
            color=colours(number % colours.N),
            marker="*" if trained else "osv^D"[number // colours.N % 5],
            markersize=13 if trained else 6,
            elinewidth=0.5 if many else 1.5,
            capsize=0 if many else 3,
            label=name + _device_cost(members),
        )
    axes.set_title(f"{rows[0].model} on {rows[0].dataset}, n = {rows[0].n}, bars: 95 %")
    _finish(figure, axes, rows[0], path, "outside" if many else "best")


def _device_cost(members: Sequence[Result]) -> str:
    """What the device spends on one image at most, for a curve's label."""
    macs = [row.device_macs for row in members if row.device_macs is not None]
    times = [row.device_ms for row in members if row.device_ms is not None]
    cost = [f"{max(macs) / 1e6:,.1f} MMACs"] if macs else []
    cost += [f"{max(times):,.1f} ms"] if times else []
    return f" ({', '.join(cost)})" if cost else ""


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
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    axes.scatter(
        [row.payload_bytes or 0 for row in trials],
        [row.value for row in trials],
        color="tab:blue",
        alpha=0.35,
        label=f"{len(trials)} trials",
    )
    axes.plot(
        [payload_bytes for payload_bytes, _ in points],
        [value for _, value in points],
        color="tab:blue",
        marker="*",
        markersize=12,
        label="frontier, chosen on held-out samples; with the byte that names the point",
    )
    sent = [row for row in baselines if row.payload_bytes is not None]
    axes.scatter(
        [row.payload_bytes or 0 for row in sent],
        [row.value for row in sent],
        color="tab:orange",
        label="untrained",
    )
    for row in sent:
        axes.annotate(row.method, (row.payload_bytes or 0, row.value), fontsize="x-small", rotation=30)
    axes.set_title(f"{trials[0].model} at {trials[0].split} on {trials[0].dataset}, n = {trials[0].n}")
    _finish(figure, axes, trials[0], path, legend="lower right")


def _finish(
    figure: Figure, axes: Axes, row: Result, path: Path, legend: Literal["best", "lower right", "outside"]
) -> None:
    """What every picture of metric against payload has: the frozen network's line, axes, legend; save it."""
    axes.axhline(row.baseline, color="grey", linestyle="--", label="frozen network")
    axes.set_xscale("log")
    axes.set_xlabel("payload (bytes per image)")
    axes.set_ylabel(row.metric.replace("_", " "))
    axes.grid(alpha=0.3, which="both")
    if legend == "outside":
        figure.legend(fontsize="small", loc="outside right center")
    else:
        axes.legend(fontsize="small", loc=legend)
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=150)
    plt.close(figure)
