"""Every codec of a suite at several split points of one network.

    python benchmarks/paper.py PICTURE ROWS...

ROWS are `results.jsonl` files of `bottleneck evaluate suite=paper`, one split point or the input each,
perhaps on fewer images: everything is told as points below the frozen network on the very same images.
Prints the bytes at 1 and at 3 points below, a line per method and a column per split point, and draws a panel
for each split point. Methods are numbered once, so a colour is one method in all panels.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from benchmarks.shared import markdown, parser
from bottleneck.measure.curves import curves
from bottleneck.measure.results import Result, read_results
from bottleneck.show.tables import bytes_cell

DROPS = (0.01, 0.03)
LOWEST = 0.12  # a curve's points further below the frozen network are not drawn

Curves = dict[str, list[Result]]


def by_place(files: list[Path]) -> dict[str, Curves]:
    """The curves of each split point, by method."""
    found: dict[str, Curves] = {}
    for file in files:
        for rows in curves(read_results(file)).values():
            found.setdefault(rows[0].place, {})[rows[0].family or rows[0].method] = rows
    return found


def methods_of(places: dict[str, Curves]) -> list[str]:
    """Every method once, in the order in which they come."""
    return list(dict.fromkeys(method for found in places.values() for method in found))


def table(places: dict[str, Curves]) -> str:
    """Bytes of each method at each split point, at 1 and at 3 points below the frozen network, Markdown."""
    lines = []
    for method in methods_of(places):
        cells = []
        for found in places.values():
            rows = found.get(method)
            cells.append(
                ""
                if rows is None
                else " / ".join(bytes_cell(rows, rows[0].baseline - drop) for drop in DROPS)
            )
        lines.append([method, *cells])
    header = ["method", *(f"{place}, {_samples(found)} images" for place, found in places.items())]
    return markdown(lines, header)


def draw(places: dict[str, Curves], picture: Path) -> None:
    """A panel for each split point; trained units as stars."""
    names = methods_of(places)
    columns = 2 if len(places) > 1 else 1
    lines = -(-len(places) // columns)
    size = (6.2 * columns, max(7.5, 4 * lines))  # the legend is as high
    figure, panels = plt.subplots(
        lines, columns, figsize=size, sharex=True, squeeze=False, layout="constrained"
    )
    colours = matplotlib.colormaps["tab20"]
    shown = {}
    for axes, (place, found) in zip(panels.flat, places.items(), strict=False):
        for method, rows in found.items():
            number = names.index(method)
            drops = [(row.payload_bytes, row.baseline - row.value) for row in rows]
            points = [(size, 100 * drop) for size, drop in drops if drop < LOWEST]
            if not points:
                continue
            trained = rows[0].kind == "trained"
            (shown[method],) = axes.plot(
                *zip(*points, strict=True),
                color=colours(number % colours.N),
                marker="*" if trained else "osv^D"[number // colours.N % 5],
                markersize=11 if trained else 4,
                linewidth=1,
            )
        axes.axhline(0, color="grey", linestyle="--", linewidth=0.8)
        axes.set(xscale="log", title=f"{place}, {_samples(found)} images")
        axes.set_ylim(100 * LOWEST, -2)
        axes.grid(alpha=0.3)
        axes.tick_params(labelbottom=True)
    for axes in panels.flat[len(places) :]:
        axes.axis("off")
    for axes in panels[:, 0]:
        axes.set_ylabel("points below the frozen network")
    for axes in panels[-1]:
        axes.set_xlabel("payload (bytes per image)")
    figure.legend(
        shown.values(), shown.keys(), loc="outside right center", fontsize="small", title=_network(places)
    )
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def _samples(found: Curves) -> str:
    return f"{next(iter(found.values()))[0].n:,}"


def _network(places: dict[str, Curves]) -> str:
    return next(iter(next(iter(places.values())).values()))[0].model


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table and draw the picture."""
    options = parser(__doc__)
    options.add_argument("picture", type=Path)
    options.add_argument("rows", type=Path, nargs="+")
    given = options.parse_args(arguments)
    everywhere = by_place(given.rows)
    print(table(everywhere))
    draw(everywhere, given.picture)


if __name__ == "__main__":
    main()
