"""Every codec of a suite at several split points of one network.

    python benchmarks/paper.py PICTURE ROWS...

ROWS are `results.jsonl` files of `bottleneck evaluate suite=paper`, one split point or the input each,
perhaps on fewer images: everything is told as points below the frozen network on the very same images.
Prints the bytes at 1 and at 3 points below, a line per method and a column per split point, and draws a panel
for each split point. A colour is one method in all panels; the best methods of each have one, the others are
grey.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.shared import markdown, parser
from bottleneck.measure.curves import bytes_at, curves
from bottleneck.measure.results import Result, read_results
from bottleneck.show.captions import save
from bottleneck.show.tables import bytes_cell

DROPS = (0.01, 0.03)
LOWEST = 0.12  # where the axis ends, below the frozen network
NAMED = 8  # methods with a name and a colour
COLUMNS = 3  # of panels

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


def named(places: dict[str, Curves]) -> list[str]:
    """Methods that have a name in the picture: each split point's best, then each one's second, and so on.

    The best needs the fewest bytes at 3 points below the frozen network.
    """

    def cost(method: str, found: Curves) -> float:
        rows = found[method]
        return bytes_at(rows, rows[0].baseline - max(DROPS)) or math.inf

    ranked = [sorted(found, key=partial(cost, found=found)) for found in places.values()]
    return list(dict.fromkeys(filter(None, chain(*zip_longest(*ranked)))))[:NAMED]


def draw(places: dict[str, Curves], picture: Path) -> None:
    """A panel for each split point, the best methods of each in colour; trained units as stars."""
    names = named(places)
    lines = -(-(len(places) + 1) // COLUMNS)  # the last panel is the legend's
    figure = Figure(figsize=(3.3 * COLUMNS, 3.2 * lines + 0.7), layout="constrained")
    panels = figure.subplots(lines, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    drawn = {}
    for axes, (place, found) in zip(panels, places.items(), strict=False):
        for method, rows in found.items():
            known = method in names
            (curve,) = axes.plot(
                [row.payload_bytes for row in rows],
                [100 * (row.baseline - row.value) for row in rows],
                color=f"C{names.index(method)}" if known else "0.8",
                marker="*" if rows[0].kind == "trained" else "o",
                markersize=(11 if rows[0].kind == "trained" else 4) if known else 2,
                linewidth=1.5 if known else 0.8,
                zorder=3 if known else 1,
            )
            drawn[method if known else "the others"] = curve
        for drop in (0, *DROPS):
            axes.axhline(100 * drop, color="0.4", linestyle=":" if drop else "--", linewidth=0.9)
        axes.set(xscale="log", title=f"{place}, {_samples(found)} images")
        axes.set_ylim(100 * LOWEST, -1)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.tick_params(labelbottom=True, labelsize="small")
        axes.grid(alpha=0.25)
    for axes in panels[len(places) :]:
        axes.axis("off")
    legend = {name: drawn[name] for name in [*names, "the others"] if name in drawn}
    panels[len(places)].legend(legend.values(), legend.keys(), loc="center left", title=_network(places))
    figure.supylabel("points below the frozen network")
    figure.supxlabel("payload (bytes per image, log scale)")
    sentence = (
        "Dashed: the frozen network; dotted: 1 and 3 points below it. Stars: trained. Further left is better."
    )
    save(figure, sentence, picture)


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
