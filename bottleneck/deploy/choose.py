"""Name a point of a frontier: the best one within limits, or the cheapest one that is good enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bottleneck.deploy.rows import rows_of

_MEASURED = {"value", "baseline", "payload_bytes", "head_ms", "encode_ms", "decode_ms", "tail_ms"}


@dataclass(frozen=True)
class Candidate:
    """A point as a choice sees it.

    Attributes:
        point: What a frontier's `device(image, point=...)` takes; a single bundle is 0, and its device takes
            none.
        value, baseline: The metric, and the frozen network's.
        payload_bytes: Mean payload.
        device_ms: Head, encoder and coder for one image, measured where the point was trained.
        server_ms: Decoder and tail.
    """

    point: int
    value: float
    baseline: float
    payload_bytes: float
    device_ms: float
    server_ms: float

    def total_ms(self, kbit_s: float | None) -> float:
        """Milliseconds from an image to its answer, without the round trip.

        Args:
            kbit_s: Rate of the link; `None`: what is sent arrives at once.
        """
        sent = 0.0 if kbit_s is None else 8 * self.payload_bytes / kbit_s
        return self.device_ms + sent + self.server_ms


def candidates(path: str | Path) -> list[Candidate]:
    """The points of a frontier, or of a bundle, by rising bytes; `path` as `bottleneck.load` takes it.

    Raises:
        ValueError: If one does not say what it reaches and takes.
    """
    found = []
    for row in rows_of(path):
        result = row.result
        if missing := sorted(_MEASURED - result.keys()):
            raise ValueError(
                f"{path} was not measured by train, search or evaluate: it does not say its "
                f"{', '.join(missing)}, as bundles of a plugin do not. There is one point; use it."
            )
        found.append(
            Candidate(
                row.point or 0,
                result["value"],
                result["baseline"],
                row.payload_bytes,
                result["head_ms"] + result["encode_ms"],
                result["decode_ms"] + result["tail_ms"],
            )
        )
    return found


def choose(
    points: Sequence[Candidate],
    max_bytes: float | None = None,
    max_ms: float | None = None,
    kbit_s: float | None = None,
    min_metric: float | None = None,
) -> Candidate:
    """The best point within limits; with `min_metric`, the one of fewest bytes that reaches it.

    Args:
        points: To choose from.
        max_bytes: Largest mean payload.
        max_ms: Most milliseconds from an image to its answer.
        kbit_s: Rate of the link, whose time then counts.
        min_metric: Lowest metric.

    Raises:
        ValueError: If a limit is no number, or no point keeps all of them; the message says how near one
            comes to each.
    """
    given = {"max_bytes": max_bytes, "max_ms": max_ms, "kbit_s": kbit_s, "min_metric": min_metric}
    for key, limit in given.items():
        if limit is not None and not isinstance(limit, (int, float)):
            raise ValueError(f"{key}={limit} is no number.")
    if kbit_s is not None and not kbit_s > 0:
        raise ValueError(f"kbit_s={kbit_s} must be above 0: kilobits that the link carries in a second.")
    kept = [
        each
        for each in points
        if (max_bytes is None or each.payload_bytes <= max_bytes)
        and (max_ms is None or each.total_ms(kbit_s) <= max_ms)
        and (min_metric is None or each.value >= min_metric)
    ]
    if not kept:
        limits = [
            (f"max_bytes={max_bytes}", max_bytes, min(p.payload_bytes for p in points), "bytes at least"),
            (f"max_ms={max_ms}", max_ms, min(p.total_ms(kbit_s) for p in points), "ms at least"),
            (f"min_metric={min_metric}", min_metric, max(p.value for p in points), "at most"),
        ]
        told = [
            f"{key} (points have {near:,.4g} {what})"
            for key, limit, near, what in limits
            if limit is not None
        ]
        raise ValueError(f"No point keeps to {' and '.join(told)}. Give more room, or train further points.")
    if min_metric is not None:
        return min(kept, key=lambda each: each.payload_bytes)
    return max(kept, key=lambda each: each.value)
