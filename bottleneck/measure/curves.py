"""Methods as curves: the settings of one codec, the bundles of one split; what one curve saves on another."""

from collections import defaultdict
from collections.abc import Sequence

from bottleneck.measure import pareto
from bottleneck.measure.results import Result


def curve_name(row: Result) -> str:
    """The curve that a row is a point of: `rle-4` and `rle-8` at one split share one, and so do bundles.

    Where more than the bottleneck was trained, that is another curve.
    """
    return _name(row, f" at {row.place}")


def name_without_place(row: Result) -> str:
    """`curve_name` among curves that all are of one place."""
    return _name(row, "")


def _name(row: Result, place: str) -> str:
    trained = f", {row.trainable} trained" if row.trainable in ("tail", "all") else ""
    lost = "" if row.loss_model is None else f", {row.loss_model} {row.loss_rate:g} lost, {row.concealment}"
    return f"{row.family or row.method}{place}{trained}{lost}"


def curves(rows: Sequence[Result]) -> dict[str, list[Result]]:
    """Rows with a payload by their curve, each by rising payload; curves in the order of their first row."""
    found: dict[str, list[Result]] = defaultdict(list)
    for row in rows:
        if row.payload_bytes is not None:
            found[curve_name(row)].append(row)
    return {name: sorted(members, key=lambda row: row.payload_bytes or 0) for name, members in found.items()}


def bytes_at(rows: Sequence[Result], target: float) -> float | None:
    """The mean payload at which a curve reaches a value of the metric, see `pareto.rate_at`."""
    sent = [(row.payload_bytes, row.value) for row in rows if row.payload_bytes]
    return pareto.rate_at([size for size, _ in sent], [value for _, value in sent], target)


def bd_rates(rows: Sequence[Result]) -> dict[str, dict[str, float | None]]:
    """Compare every two curves by what the second needs relative to the first at equal metric.

    Args:
        rows: Of one data set and one network, on the same samples.

    Returns:
        `[anchor][test]`, the relative change of the payload (`pareto.bd_rate`); `None` where two curves
        have no metric in common. Curves with fewer than two points on their frontier are left out.
    """
    points = {
        name: [(row.payload_bytes, row.value) for row in members if row.payload_bytes]
        for name, members in curves(rows).items()
    }
    points = {
        name: pairs
        for name, pairs in points.items()
        if len(pareto.frontier([size for size, _ in pairs], [value for _, value in pairs])) > 1
    }
    return {
        anchor: {test: _bd_rate(points[anchor], points[test]) for test in points if test != anchor}
        for anchor in points
    }


def _bd_rate(anchor: list[tuple[float, float]], test: list[tuple[float, float]]) -> float | None:
    try:
        return pareto.bd_rate(anchor, test)
    except ValueError:  # both are curves, so all that is left to refuse is an empty common interval
        return None
