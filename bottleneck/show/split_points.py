"""Split points and stages as tables and pictures: sizes, what really has to be sent, work, parameters."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from tabulate import tabulate

from bottleneck.show.captions import save
from bottleneck.splitting import Boundary, SplitPoint, first_useful
from bottleneck.splitting.traced import TracedNetwork


def profile_table(points: Sequence[SplitPoint]) -> str:
    """Split points as a table; KiB of float32, MACs of one image, and parameters, before the cut."""
    header = ["split point", "also", "shape", "layout", "KiB", "× input", "MMACs", "%", "params", "%"]
    rows = [
        [
            point.name,
            " ".join(point.aliases[:1]),
            point.size,
            point.layout,
            f"{point.nbytes / 1024:,.1f}",
            f"{point.input_ratio:.2f}",
            f"{point.macs / 1e6:,.1f}",
            f"{100 * point.macs_share:.2f}",
            f"{point.params:,}",
            f"{100 * point.params_share:.2f}",
        ]
        for point in points
    ]
    return tabulate(rows, header, disable_numparse=True, colalign=["left"] * 4 + ["right"] * 6)


def stage_table(stages: Sequence[Boundary]) -> str:
    """Boundaries as a table: sizes over the input's, work and parameters before (no normalisation layers)."""
    header = ["stage", "returns", "× input", "must be sent", "that is", "MMACs", "params"]
    rows = [
        [
            stage.name,
            ", ".join("×".join(map(str, shape)) for shape in stage.shapes),
            f"{stage.own_ratio:.3f}",
            f"{stage.live_ratio:.3f}",
            " + ".join(stage.live),
            f"{stage.macs / 1e6:,.1f}",
            f"{stage.params:,}",
        ]
        for stage in stages
    ]
    aligned = ["left", "left", "right", "right", "left", "right", "right"]
    return tabulate(rows, header, disable_numparse=True, colalign=aligned)


def verdict(points: Sequence[SplitPoint]) -> str:
    """Whether any cut sends fewer numbers than the input has, in words."""
    useful = first_useful(points)
    if useful is None:
        worked = [point for point in points if point.macs > 0] or list(points)
        smallest = min(worked, key=lambda point: point.nbytes)
        return (
            "Useful natural split: none. Every closed cut sends at least as many numbers as the input has; "
            f"the smallest is {smallest.name} with {smallest.input_ratio:.2f} times as many."
        )
    return (
        f"Useful natural split: {useful.name} is the earliest closed cut below the input's size, with "
        f"{useful.input_ratio:.2f} times its numbers behind {100 * useful.macs_share:.1f} % of the MACs."
    )


def seen(traced: TracedNetwork) -> str:
    """How a network was seen, and what could not be looked into, in words."""
    size = "×".join(map(str, traced.probe.shape[2:]))
    told = f"Seen by {traced.seen}" + (f", for images of {size} only." if traced.fixed_size else ".")
    whole = [f"{name} ({reason})" for name, reason in traced.kept_whole.items()]
    return told + (f" Kept whole, with no cuts inside: {'; '.join(whole)}." if whole else "")


def draw_stages(stages: Sequence[Boundary], name: str, path: Path) -> None:
    """Draw what each stage returns and what must really be sent behind it, with the line at the input's size.

    Below it, the parameters up to each stage.
    """
    figure = Figure(figsize=(8, 7), layout="constrained")
    sizes, params = figure.subplots(2, sharex=True)
    positions = range(len(stages))
    drawn = {
        "its own output": [s.own_ratio for s in stages],
        "what must be sent": [s.live_ratio for s in stages],
    }
    for offset, (label, ratios) in zip((-0.2, 0.2), drawn.items(), strict=True):
        sizes.bar([position + offset for position in positions], ratios, 0.4, label=label)
    sizes.axhline(1, color="tab:red", linestyle="--", label="the input")
    sizes.set_yscale("log")
    sizes.yaxis.set_major_formatter("{x:,g}")
    sizes.set_ylabel("numbers over those of the input")
    sizes.set_title(f"{name}: behind each stage")
    sizes.legend()
    params.step(positions, [stage.params / 1e6 for stage in stages], where="mid", marker=".")
    params.set_ylabel("parameters so far (M)")
    params.set_xticks(positions, [stage.name for stage in stages], rotation=45, ha="right")
    told = "A stage pays where what must be sent behind it lies below the dashed line, the size of the input."
    save(figure, told, path)


def draw_sizes(points: Sequence[SplitPoint], name: str, path: Path) -> None:
    """Draw the size at every split point, a line each, with the input's, and the share of MACs before it."""
    figure = Figure(figsize=(8, max(4.0, 0.18 * len(points) + 1.6)), layout="constrained")
    axes = figure.subplots()
    positions = range(len(points))
    input_size = points[0].nbytes / 1024
    colours = ["tab:green" if point.nbytes < points[0].nbytes else "tab:grey" for point in points]
    axes.barh(positions, [point.nbytes / 1024 for point in points], color=colours)
    axes.axvline(input_size, color="tab:red", linestyle="--", label=f"input: {input_size:,.4g} KiB")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel("feature in float32 (KiB, log scale)")
    axes.set_yticks(positions, [point.name for point in points], fontsize="x-small")
    axes.set_ylim(len(points) - 0.3, -0.7)  # the input on top
    axes.set_title(f"{name}: {len(points)} cuts; green ones are smaller than the input")
    axes.set_xlim(right=4 * max(point.nbytes for point in points) / 1024)  # room for the legend
    axes.legend(loc="upper right")
    share = axes.twiny()
    share.plot([100 * point.macs_share for point in points], positions, color="tab:blue", marker=".")
    share.set_xlabel("MACs before the cut (%)", color="tab:blue")
    share.set_xlim(0, 105)
    save(figure, f"{verdict(points)} Blue: how much of the work lies before each cut.", path)
