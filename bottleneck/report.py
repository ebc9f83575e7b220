"""What a person sees of a run: one table, one picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
from tabulate import tabulate

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bottleneck.curves import bd_rates, bytes_at, curves
from bottleneck.deploy.frontier import Point
from bottleneck.results import Result

_LEGEND_INSIDE = 6  # more curves than that have their legend beside the picture


def table(rows: Sequence[Result]) -> str:
    """Rows as a Markdown table: the metric with its paired drop, sizes, times, and what the device spends."""
    header = ["method", "split", rows[0].metric, "drop (95 %)", "bytes", "p95", "bpp", "ideal bpp", "zeros"]
    header += ["encode ms", "decode ms", "device MMACs", "device ms"]
    lines = tabulate([_cells(row) for row in rows], header, tablefmt="github", disable_numparse=True)
    beside = dict.fromkeys(name for row in rows for name in row.beside or ())
    if beside:
        lines += (
            f"\n\nopen: the tail also reads {', '.join(beside)} beside the payload, so it cannot run on "
            "another machine. Compare with a closed cut behind it."
        )
    return lines


def _cells(row: Result) -> list[str]:
    drop = "" if row.drop is None or row.method == "frozen" else _drop(row)
    return [
        row.method,
        row.place,
        f"{row.value:.4f}",
        drop,
        _number(row.payload_bytes, ",.1f"),
        _number(row.payload_bytes_p95, ",.0f"),
        _number(row.bpp, ".4g"),
        _number(row.estimated_bpp, ".4g"),
        _number(row.zero_fraction, ".0%"),
        _number(row.encode_ms, ".2f"),
        _number(row.decode_ms, ".2f"),
        _number(None if row.device_macs is None else row.device_macs / 1e6, ",.2f"),
        _number(row.device_ms, ",.2f"),
    ]


def _drop(row: Result) -> str:
    drop = f"{100 * (row.drop or 0):+.1f}"
    if row.drop_interval is None:  # some metrics are no mean over samples
        return drop
    low, high = row.drop_interval
    return f"{drop} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _number(value: float | None, spec: str) -> str:
    return "" if value is None else format(value, spec)


def draw_rate_accuracy(rows: Sequence[Result], path: Path) -> None:
    """Draw the metric against payload bytes (log axis), with the frozen network as a line."""
    found = curves(rows)
    many = len(found) > _LEGEND_INSIDE
    figure, axes = plt.subplots(figsize=(12, 6.5) if many else (7, 4.5), layout="constrained")
    colours = matplotlib.colormaps["tab20" if many else "tab10"]
    for number, (name, members) in enumerate(found.items()):
        trained = name.startswith(("bottleneck", "bundle"))
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
    trials: Sequence[Result], baselines: Sequence[Result], points: Sequence[Point], path: Path
) -> None:
    """Draw a study: every trial, the frontier, the frozen network's line and the untrained methods.

    Args:
        trials: The finished trials' rows on the validation samples.
        baselines: Rows of the frozen network and of untrained methods on the same samples.
        points: The frontier.
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
        [point.payload_bytes for point in points],
        [point.value for point in points],
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
    figure.savefig(path, dpi=150)
    plt.close(figure)


def curves_table(rows: Sequence[Result]) -> str:
    """Methods compared as curves, Markdown: bytes at 1 and 3 points below the frozen network, and BD-rates.

    A cost with `≤` is that of a curve's cheapest point, which is better than asked for. A BD-rate is what a
    column's method needs more (+) or less (-) than a line's at equal metric.
    """
    costs = [
        [name, *(bytes_cell(members, members[0].baseline - points / 100) for points in (1, 3))]
        for name, members in curves(rows).items()
    ]
    compared = bd_rates(rows)
    lines = [
        [anchor, *("" if (saved := tests.get(test)) is None else f"{saved:+.1%}" for test in compared)]
        for anchor, tests in compared.items()
    ]
    return "\n\n".join(
        tabulate(body, header, tablefmt="github", disable_numparse=True)
        for body, header in (
            (costs, ["method", "bytes, 1 point below", "bytes, 3 points below"]),
            (lines, ["BD-rate", *compared]),
        )
    )


def bytes_cell(members: Sequence[Result], target: float) -> str:
    """The mean payload at which a curve reaches a value of the metric, for tables; `≤`: it stays above."""
    found = bytes_at(members, target)
    if found is None:
        return "not reached"
    cheapest = members[0]
    return ("≤ " if cheapest.value > target and found == cheapest.payload_bytes else "") + f"{found:,.1f}"
