"""A plan as a table and a picture: what every strategy takes, on which link which one is the fastest."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from tabulate import tabulate

from bottleneck.runtime.link import Link
from bottleneck.runtime.plan import Plan
from bottleneck.runtime.strategy import Strategy
from bottleneck.show.captions import save

_KINDS = {"device": ("device", "black"), "server": ("picture", "tab:orange"), "shared": ("split", "tab:blue")}
_DECADES = 2.5  # of bandwidth that are drawn on either side of the link and of the crossovers
_POINTS = 300
_BELOW = 0.15  # of the metric that is still drawn below what counts


def plan_table(plan: Plan) -> str:
    """Every strategy as a line of a Markdown table, the fastest on the plan's link first."""
    header = ["strategy", plan.metric, "device ms", "p90", "bytes", "p90", "server ms", "total ms"]
    header += ["mJ"] if plan.energy is not None else []
    rows = []
    for strategy in sorted(plan.strategies, key=plan.latency_ms):
        numbers = plan.summary(strategy)
        row = [
            f"**{strategy.name}**" if strategy is plan.choice else strategy.name,
            f"{strategy.value:.3f}" + ("" if strategy.value >= plan.policy.metric else " (too low)"),
            *(f"{numbers[key]:.2f}" for key in ("device_ms", "device_ms_p90")),
            *(f"{numbers[key]:,.0f}" for key in ("payload_bytes", "payload_bytes_p90")),
            f"{numbers['server_ms']:.2f}",
            f"{numbers['latency_ms']:,.1f}",
        ]
        rows.append([*row, f"{numbers['energy_mj']:.1f}"] if plan.energy is not None else row)
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def crossover_table(plan: Plan) -> str:
    """Where one strategy takes over from another, with 95 % intervals."""
    if not plan.crossovers:
        return f"{plan.regions[0][0].name} is the fastest at every bandwidth."
    rows = [
        [one.below, one.above, _rate(one.bandwidth), " to ".join(map(_rate, one.interval))]
        for one in plan.crossovers
    ]
    return tabulate(
        rows, ["faster below", "faster above", "at", "95 %"], tablefmt="github", disable_numparse=True
    )


def _rate(bandwidth: float) -> str:
    if math.isinf(bandwidth):
        return "never"
    return f"{bandwidth / 1e6:,.3g} MB/s" if bandwidth >= 999_500 else f"{bandwidth / 1e3:.3g} kB/s"


def draw_plan(plan: Plan, path: Path) -> None:
    """Draw latency against bandwidth, and the metric against latency on the plan's link."""
    figure = Figure(figsize=(9.6, 5.4), layout="constrained")
    over_bandwidth, on_link = figure.subplots(1, 2)
    _draw_latencies(plan, over_bandwidth)
    _draw_metric(plan, on_link)
    figure.suptitle(plan.about)
    sentence = (
        "Bands: 95 % intervals of the crossovers. Bars: 95 % of the metric, and up to p90 of the latency."
    )
    save(figure, f"{plan.advice} {sentence}", path)


def _draw_latencies(plan: Plan, axes: Axes) -> None:
    """One line for each strategy that keeps the metric; those that are the fastest somewhere stand out."""
    admitted = plan.policy.admitted(plan.strategies)
    fastest = [strategy for strategy, _, _ in plan.regions]
    ends = [plan.link.bandwidth, *(one.bandwidth for one in plan.crossovers)]
    bandwidths = np.geomspace(min(ends) / 10**_DECADES, max(ends) * 10**_DECADES, _POINTS)
    for strategy in admitted:
        best = strategy in fastest
        latencies = [strategy.latency_ms(Link(b, plan.link.rtt)) for b in bandwidths]
        axes.plot(
            bandwidths / 1000,
            latencies,
            color=_KINDS[strategy.kind][1],
            linewidth=2 if best else 0.7,
            alpha=1 if best else 0.4,
            linestyle=["-", "--", "-.", ":"][fastest.index(strategy) % 4] if best else "-",
            label=strategy.name if best else None,
        )
    for one in plan.crossovers:
        axes.axvline(one.bandwidth / 1000, color="grey", linewidth=0.8)
        low, high = one.interval
        axes.axvspan(low / 1000, min(high, bandwidths[-1]) / 1000, color="grey", alpha=0.15)
    axes.axvline(plan.link.bandwidth / 1000, color="tab:red", linestyle=":", label="this link")
    slowest = max(plan.latency_ms(s) for s in admitted)
    lowest = min(s.latency_ms(Link(bandwidths[-1], plan.link.rtt)) for s in admitted)
    axes.set(
        title=f"Round trip of {1000 * plan.link.rtt:g} ms",
        xlabel="bandwidth (kB/s)",
        ylabel="latency (ms)",
        xscale="log",
        yscale="log",
        xlim=(bandwidths[0] / 1000, bandwidths[-1] / 1000),
        ylim=(lowest / 1.5, slowest * 10),
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,g}")
    axes.grid(alpha=0.3, which="both")
    axes.legend(title="fastest somewhere", fontsize="small", loc="upper right")


def _draw_metric(plan: Plan, axes: Axes) -> None:
    """One point for each strategy; bars reach to the 90th percentiles, and over the metric's interval."""
    for kind, (name, colour) in _KINDS.items():
        those = [strategy for strategy in plan.strategies if strategy.kind == kind]
        if those:
            low, high = zip(*((s.value_interval or (s.value, s.value)) for s in those), strict=True)
            values = np.array([s.value for s in those])
            latencies = np.array([plan.latency_ms(s) for s in those])
            axes.errorbar(
                latencies,
                values,
                xerr=[np.zeros(len(those)), np.array([_p90_ms(s, plan.link) for s in those]) - latencies],
                yerr=[values - np.array(low), np.array(high) - values],
                fmt="o",
                color=colour,
                elinewidth=0.7,
                label=name,
            )
    for strategy in _labelled(plan):
        axes.annotate(
            strategy.name,
            (plan.latency_ms(strategy), strategy.value),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize="small",
        )
    axes.axhline(plan.policy.metric, color="grey", linestyle="--", label="lowest that counts")
    axes.set(
        title=f"At {_rate(plan.link.bandwidth)}",
        xlabel="latency (ms)",
        ylabel=plan.metric.replace("_", " "),
        xscale="log",
        ylim=(max(0.0, plan.policy.metric - _BELOW), 1.02),
    )
    axes.xaxis.set_minor_formatter(LogFormatter())  # 30, not 3 × 10¹
    axes.xaxis.set_major_formatter(LogFormatter())
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small", loc="lower right")


def _labelled(plan: Plan) -> Sequence[Strategy]:
    """Strategies that no other beats in metric and latency."""
    ordered = sorted(plan.strategies, key=lambda s: (plan.latency_ms(s), -s.value))
    best, found = -math.inf, []
    for strategy in ordered:
        if strategy.value > best:
            best = strategy.value
            found.append(strategy)
    return found


def _p90_ms(strategy: Strategy, link: Link) -> float:
    """Device, bytes and server at their 90th percentiles: latency that is rarely exceeded."""
    if strategy.kind == "device":
        return strategy.device_ms.p90
    return strategy.device_ms.p90 + link.ms(strategy.payload_bytes.p90) + strategy.server_ms.p90
