"""Results as tables: every method in a row, and methods compared as curves."""

from collections.abc import Sequence

from tabulate import tabulate

from bottleneck.measure.curves import bd_rates, bytes_at, curve_name, curves
from bottleneck.measure.results import Result


def table(rows: Sequence[Result]) -> str:
    """Rows for a terminal of 100 columns: families together, each by rising bytes; see `full_table`."""
    first = rows[0]
    header = ["method", "at", "metric", "drop (95 %)", "bytes", "MMACs", "ms"]
    cells = [
        [
            *_beginning(row),
            _short(None if row.device_macs is None else row.device_macs / 1e6),
            _short(row.device_ms),
        ]
        for row in in_families(rows)
    ]
    return "\n".join(
        [
            f"{first.metric.replace('_', ' ')} on {first.n:,} images of {first.dataset}; drop: points below",
            f"the frozen {first.model}; bytes: mean payload; MMACs, ms: the device's work.",
            "",
            tabulate(cells, header, disable_numparse=True, colalign=["left"] * 2 + ["right"] * 5),
            *_beside(rows),
        ]
    )


def _beginning(row: Result) -> list[str]:
    """What every table of rows begins with."""
    place, value = row.place, f"{row.value:.4f}"
    return [row.method, place, value, _drop(row), _number(row.payload_bytes, ",.1f")]


def full_table(rows: Sequence[Result]) -> str:
    """Rows as a Markdown table: the metric with its paired drop, sizes, times, and what the device spends."""
    header = ["method", "split", rows[0].metric, "drop (95 %)", "bytes", "p95", "bpp", "ideal bpp", "zeros"]
    header += ["encode ms", "decode ms", "device MMACs", "device ms"]
    cells = [
        [
            *_beginning(row),
            _number(row.payload_bytes_p95, ",.0f"),
            _number(row.bpp, ".4g"),
            _number(row.estimated_bpp, ".4g"),
            _number(row.zero_fraction, ".0%"),
            _number(row.encode_ms, ".2f"),
            _number(row.decode_ms, ".2f"),
            _number(None if row.device_macs is None else row.device_macs / 1e6, ",.2f"),
            _number(row.device_ms, ",.2f"),
        ]
        for row in in_families(rows)
    ]
    if any(row.trainable not in (None, "bottleneck") for row in rows):
        header.append("trained")
        cells = [[*line, row.trainable or ""] for line, row in zip(cells, in_families(rows), strict=True)]
    return "\n".join([tabulate(cells, header, tablefmt="github", disable_numparse=True), *_beside(rows)])


def in_families(rows: Sequence[Result]) -> list[Result]:
    """The frozen network, then trained and untrained families, each by rising bytes; the smallest first."""
    smallest: dict[str, float] = {}
    for row in rows:
        size, name = row.payload_bytes or 0, curve_name(row)
        smallest[name] = min(size, smallest.get(name, size))

    def place(row: Result) -> tuple[int, float, str, float]:
        name = curve_name(row)
        return (
            ("frozen", "trained", "untrained").index(row.kind),
            smallest[name],
            name,
            row.payload_bytes or 0,
        )

    return sorted(rows, key=place)


def _beside(rows: Sequence[Result]) -> list[str]:
    """What is to be said of open cuts."""
    beside = dict.fromkeys(name for row in rows for name in row.beside or ())
    if not beside:
        return []
    return [
        "",
        f"open: the tail also reads {', '.join(beside)} beside the payload, so it cannot run on another "
        "machine. Compare with a closed cut behind it.",
    ]


def _drop(row: Result) -> str:
    if row.drop is None or row.kind == "frozen":
        return ""
    drop = f"{100 * row.drop:+.1f}"
    if row.drop_interval is None:  # some metrics are no mean over samples
        return drop
    low, high = row.drop_interval
    return f"{drop} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _number(value: float | None, spec: str) -> str:
    return "" if value is None else format(value, spec)


def _short(value: float | None) -> str:
    """Three digits or more, as many as the size of the number makes worth reading."""
    return _number(value, ",.2f" if value is None or value < 100 else ",.0f")


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
