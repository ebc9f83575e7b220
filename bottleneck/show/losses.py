"""The metric against what is lost: a table and a picture, every method under every loss model."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from tabulate import tabulate

from bottleneck.measure.results import Result
from bottleneck.show.captions import save

Lines = dict[str, dict[tuple[str, str], list[Result]]]

_STYLES = ("-", "--", ":", "-.")


def loss_lines(rows: Sequence[Result]) -> Lines:
    """Rows under losses by loss model, then by method and concealment, each by rising loss.

    A line begins with what the same method is without losses.
    """
    whole = {(row.family, row.setting, row.split): row for row in rows if row.loss_model is None}
    found: Lines = defaultdict(dict)
    for row in sorted(rows, key=lambda row: row.loss_rate or 0):
        if row.loss_model is not None:
            line = found[row.loss_model].setdefault((_method(row), row.concealment or ""), [])
            line += [row] if line else [whole[row.family, row.setting, row.split], row]
    return dict(found)


def _method(row: Result) -> str:
    setting = "" if row.setting is None else f"-{row.setting}"
    return f"{row.family}{setting} at {row.split}"


def loss_table(rows: Sequence[Result]) -> str:
    """A Markdown table of each loss model: a line per method and concealment, a column per rate."""
    parts = []
    for model, lines in loss_lines(rows).items():
        rates = sorted({row.loss_rate or 0.0 for line in lines.values() for row in line})
        cells = []
        for (method, concealment), line in lines.items():
            values = {row.loss_rate or 0.0: f"{row.value:.4f}" for row in line}
            last = line[-1]  # whose bytes have the concealment's in them
            sizes = [f"{last.payload_bytes or 0:,.1f}", f"{last.packets or 0:,.1f}"]
            cells.append([method, concealment, *sizes, *(values.get(rate, "") for rate in rates)])
        header = ["method", "concealment", "bytes", "packets", *(f"{rate:.4g}" for rate in rates)]
        body = tabulate(cells, header, tablefmt="github", disable_numparse=True)
        parts.append(f"{rows[0].metric}, at shares of {model} lost:\n\n{body}")
    return "\n\n".join(parts)


def draw_losses(rows: Sequence[Result], path: Path) -> None:
    """Draw the metric against the loss rate, a panel for each loss model, the frozen network as a line.

    A colour is a concealment, a style of line a method. Lines that come first are wider, so that one shows
    behind another that lies on it.
    """
    found = loss_lines(rows)
    concealments = list(dict.fromkeys(name for lines in found.values() for _, name in lines))
    widths = np.linspace(3.6, 1.2, len(concealments))
    lines_of_panels = -(-len(found) // 2)
    figure = Figure(figsize=(9, 3.4 * lines_of_panels + 0.8), layout="constrained")
    panels = figure.subplots(lines_of_panels, min(2, len(found)), sharey=True, squeeze=False)
    for axes, (model, lines) in zip(panels.flat, found.items(), strict=False):
        methods = list(dict.fromkeys(method for method, _ in lines))
        for (method, concealment), line in lines.items():
            number = concealments.index(concealment)
            axes.plot(
                [100 * (row.loss_rate or 0) for row in line],
                [100 * row.value for row in line],
                color=f"C{number}",
                linestyle=_STYLES[methods.index(method) % len(_STYLES)],
                linewidth=widths[number],
                marker="o",
                markersize=3 + widths[number],
            )
        for number, method in enumerate(methods):
            axes.plot([], [], color="black", linestyle=_STYLES[number % len(_STYLES)], label=method)
        axes.legend(fontsize="small", loc="lower left")
        axes.axhline(100 * rows[0].baseline, color="grey", linestyle="--", linewidth=1)
        axes.set_title(model)
        axes.set_xlabel("lost (%)")
        axes.grid(alpha=0.3)
    for axes in panels.flat[len(found) :]:
        axes.axis("off")
    figure.supylabel(f"{rows[0].metric.replace('_', ' ')} (%)")
    handles = [
        Line2D([], [], color=f"C{number}", marker="o", linewidth=width) for number, width in enumerate(widths)
    ]
    figure.legend(
        handles, concealments, fontsize="small", loc="outside right upper", title="gaps filled with"
    )
    figure.suptitle(f"{rows[0].model} on {rows[0].dataset}, {rows[0].n:,} images: what is lost")
    sentence = (
        "A panel for each way to lose, a colour for what fills the gaps, a style of line for what is sent. "
        "Grey: the frozen network. Lines on one another: the wider lie behind."
    )
    save(figure, sentence, path)
