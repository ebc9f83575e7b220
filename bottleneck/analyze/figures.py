"""Pictures of the analyses' answers, one function each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from bottleneck.analyze.coefficients import Coefficients
from bottleneck.analyze.differences import Differences
from bottleneck.analyze.fourier import Fourier
from bottleneck.analyze.motion import Motion
from bottleneck.analyze.quantization import Quantization
from bottleneck.analyze.relevance import Relevance
from bottleneck.analyze.similarity import Similarity
from bottleneck.analyze.sizes import Sizes
from bottleneck.show.captions import save


def draw_coefficients(found: Coefficients, title: str, path: Path) -> None:
    """Distribution of values; zeros of channels; range of images."""
    figure, (distribution, zeros, ranges) = _panels(3)
    distribution.fill_between(
        found.values, found.cdf_5, found.cdf_95, alpha=0.25, label="single images, 5 to 95 %"
    )
    distribution.plot(found.values, found.cdf, label="all")
    distribution.set(title="Distribution", xlabel="coefficient", ylabel="share at or below", ylim=(0, 1.02))
    distribution.legend(loc="lower right")

    channels = np.sort(found.channel_zero_fraction)
    zeros.plot(np.arange(channels.size) / max(1, channels.size - 1), channels, label="channels, sorted")
    images = np.sort(found.image_zero_fraction)
    zeros.plot(np.arange(images.size) / max(1, images.size - 1), images, label="images, sorted")
    zeros.axhline(found.zero_fraction, color="grey", linestyle="--", label=f"all: {found.zero_fraction:.1%}")
    zeros.set(
        title="Coefficients that are exactly 0",
        xlabel="rank, from the fewest",
        ylabel="share",
    )
    _around(zeros, [*channels, *images], 0.2)
    zeros.legend(loc="upper left")

    order = np.argsort(np.array(found.image_high) - np.array(found.image_low))
    ranges.fill_between(
        np.arange(order.size), np.array(found.image_low)[order], np.array(found.image_high)[order], alpha=0.4
    )
    spread = found.mean - 3 * found.deviation, found.mean + 3 * found.deviation
    ranges.axhspan(
        max(spread[0], min(found.image_low)), spread[1], color="grey", alpha=0.2, label="mean ± 3 deviations"
    )
    ranges.set(title="Range of each image", xlabel="images, sorted by range", ylabel="coefficient")
    ranges.legend(loc="upper left")
    _save(figure, title, found.summary, path)


def draw_differences(found: Differences, title: str, path: Path) -> None:
    """Range of differences against the feature's, and their entropy against its."""
    figure, (ranges, entropies) = _panels(2)
    names = list(found.directions)
    directions = list(found.directions.values())
    ranges.axhline(1, color="grey", linestyle="--", label="the feature itself")
    ranges.axhline(0.5, color="grey", linestyle=":", label="one bit less at equal error")
    ranges.boxplot([d.range_ratio for d in directions], tick_labels=names, whis=(5, 95), sym="")
    ranges.set(title="Range of differences", ylabel="ratio to the feature's range")
    ranges.set_ylim(0, 1.05 * max(1.0, max(np.percentile(d.range_ratio, 95) for d in directions)))
    ranges.legend(loc="lower right")

    entropies.axhline(
        float(np.mean(found.entropy)), color="grey", linestyle="--", label="the coefficients themselves"
    )
    bars = entropies.bar(names, [float(np.mean(d.entropy)) for d in directions])
    entropies.bar_label(bars, fmt="%.2f", padding=2)
    entropies.set(title=f"Quantized to {found.bits} bits", ylabel="entropy (bits per coefficient)")
    entropies.margins(y=0.3)
    entropies.legend(loc="upper right")
    _save(figure, title, found.summary, path)


def draw_fourier(found: Fourier, title: str, path: Path) -> None:
    """Metric and error against the share of frequencies that is kept."""
    figure, (metric, error) = _panels(2)
    styles = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
    for style, order in zip(styles, found.value, strict=True):
        metric.plot(found.fractions, found.value[order], linestyle=style, marker="o", label=order)
        error.plot(found.fractions, found.squared_error[order], linestyle=style, marker="o", label=order)
    metric.axhline(found.baseline, color="grey", linestyle="--", label="whole feature")
    metric.set(title="Metric", ylabel="metric")
    _around(metric, [found.baseline, *(value for values in found.value.values() for value in values)], 0.05)
    error.set(title="Squared error over energy", ylabel="share of the feature's energy", ylim=(-0.02, None))
    for axes in (metric, error):
        axes.set_xlabel("share of frequencies kept, from the lowest")
        axes.set_xlim(1.03, 0)
    metric.legend(loc="lower left", title="axes, fastest last")
    _save(figure, title, found.summary, path)


def draw_motion(found: Motion, title: str, path: Path) -> None:
    """Quality of predictions against how far the image moved; moves by whole cells are filled."""
    figure, (axes,) = _panels(1)
    cells = np.array(found.cells)
    whole = cells == np.round(cells)
    names = {
        "still": "not moved",
        "known": "moved as the image was",
        "image": "vectors found on images",
        "feature": "vectors found on features",
    }
    for way, values in found.psnr.items():
        (filled,) = axes.plot(cells[whole], np.array(values)[whole], "o", label=names[way])
        colour = filled.get_color()
        axes.plot(cells[~whole], np.array(values)[~whole], "o", color=colour, markerfacecolor="none")
    axes.plot([], [], "o", color="black", markerfacecolor="none", label="not by whole cells")
    axes.set(title="Predicted from the frame before", xlabel="cells that it moved by", ylabel="PSNR (dB)")
    figure.set_figwidth(7.5)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")
    told = "a moved image's feature, predicted from the one before; higher is better"
    _save(figure, title, told, path)


def draw_quantization(found: Quantization, title: str, path: Path) -> None:
    """Metric against the number of levels, one panel for each scope, one line for each range."""
    figure, panels = _panels(len(found.value), sharey=True)
    for axes, (scope, grid) in zip(panels, found.value.items(), strict=True):
        for sigmas, values in zip(found.sigmas, grid, strict=True):
            axes.plot(found.levels, values, marker=".", label=f"w = {sigmas:g}")
        axes.axhline(found.baseline - found.drop, color="grey", linestyle="--", label="limit")
        axes.set(title=f"Statistics per {scope}", xlabel="levels N", xscale="log")
        axes.set_xticks(found.levels, [str(n) for n in found.levels], minor=False)
        axes.minorticks_off()
    _around(panels[0], list(found.value.values()), 0.05)
    panels[0].set_ylabel("metric")
    panels[-1].legend(loc="lower right")
    _save(figure, title, found.summary, path)


def draw_relevance(found: Relevance, title: str, path: Path) -> None:
    """Distribution of the most relevant coefficients against that of all, for each definition."""
    figure, panels = _panels(len(found.definitions), sharey=True)
    for axes, (name, top) in zip(panels, found.definitions.items(), strict=True):
        axes.plot(found.values, found.cdf, color="grey", label=f"all; {found.zero_fraction:.0%} zeros")
        axes.plot(
            found.values, top.cdf, label=f"most relevant {found.top:.0%}; {top.zero_fraction:.0%} zeros"
        )
        axes.set(title=name.replace("_x_", " × ").replace("_", "-"), xlabel="coefficient", ylim=(0, 1.02))
        axes.legend(loc="lower right")
    panels[0].set_ylabel("share at or below")
    _save(figure, title, found.summary, path)


def draw_similarity(found: Similarity, title: str, path: Path) -> None:
    """Distances of channels as they are and ordered by similarity."""
    figure, panels = _panels(2)
    distances = np.array(found.distances)
    ordered = distances[np.ix_(found.order, found.order)]
    others = distances[~np.eye(len(distances), dtype=bool)]
    low, high = np.percentile(others, [1, 99]) if others.size else (0, 1)
    for axes, name, matrix, mean in (
        (panels[0], "As the network has them", distances, found.neighbours),
        (panels[1], "Ordered by similarity", ordered, found.ordered_neighbours),
    ):
        drawn = axes.imshow(matrix, vmin=low, vmax=high, cmap="viridis", interpolation="nearest")
        axes.set(title=f"{name}:\nneighbours {mean:.2f} apart", xlabel="channel", ylabel="channel")
        axes.grid(visible=False)
    figure.colorbar(drawn, ax=panels, label="distance (deviations)")
    _save(figure, title, found.summary, path)


def draw_sizes(found: Sizes, title: str, path: Path) -> None:
    """Metric of each size bin, of the input and of the feature."""
    figure, panels = _panels(len(found.crossover), sharey=True)
    centres = np.sqrt(np.array(found.edges[:-1]) * np.array(found.edges[1:]))
    for axes, picture in zip(panels, found.crossover, strict=True):
        for where in ("input", "feature"):
            values = [np.nan if value is None else value for value in found.value[f"{picture}, {where}"]]
            axes.plot(centres, values, marker="o", label=where)
        axes.axhline(found.baseline, color="grey", linestyle="--", label="nothing lost")
        axes.set(
            title=picture, xlabel="payload (bytes)", xscale="log", xlim=(found.edges[0], found.edges[-1])
        )
        axes.xaxis.set_minor_formatter(NullFormatter())  # within a decade they would lie on each other
    _around(
        panels[0], [found.baseline, *(value for values in found.value.values() for value in values)], 0.05
    )
    panels[0].set_ylabel("metric of the images in a bin")
    panels[-1].legend(loc="lower right")
    _save(figure, title, found.summary, path)


#: How each answer is drawn, by question.
DRAW: dict[str, Callable[[Any, str, Path], None]] = {
    "coefficients": draw_coefficients,
    "differences": draw_differences,
    "fourier": draw_fourier,
    "motion": draw_motion,
    "quantization": draw_quantization,
    "relevance": draw_relevance,
    "similarity": draw_similarity,
    "sizes": draw_sizes,
}


def _panels(n: int, **options: Any) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(min(4.5 * n, 9.6), 4.8), layout="constrained")
    panels = list(figure.subplots(1, n, squeeze=False, **options)[0])
    for axes in panels:
        axes.grid(alpha=0.3)
    return figure, panels


def _save(figure: Figure, title: str, summary: str, path: Path) -> None:
    figure.suptitle(title)
    save(figure, f"{summary[0].upper()}{summary[1:]}.", path)


def _around(axes: Axes, values: Any, least: float) -> None:
    """Let an axis of shares end where the values do, and show a span of `least` at the least."""
    numbers = np.array([value for value in np.ravel(values) if value is not None], dtype=float)
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    missing = max(0.0, least - (high - low))
    margin = 0.05 * (high - low + missing)
    axes.set_ylim(max(-0.02, low - missing - margin), min(1.02, high + margin))
