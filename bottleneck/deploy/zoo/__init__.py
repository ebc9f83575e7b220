"""Trained operating points that the package brings along, each with a card; nobody has to train to try.

    zoo/NETWORK/NAME/  card.json      data, licence, the command that trained it, whose weights it needs
                       frontier.json  point-00/ ...   or one bundle: bundle.json unit.safetensors

`benchmarks/zoo.py` makes an entry of a run's or a study's folder.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bottleneck.deploy.places import found, zoo_names
from bottleneck.deploy.rows import Row, rows_of
from bottleneck.integrity import bundles


@dataclass(frozen=True)
class Entry:
    """What is known of an entry.

    Attributes:
        name: What `bottleneck.load` takes.
        network: Name of the frozen network.
        split: Split point.
        dataset, metric, n: On what, by what and on how many validation images it was measured.
        baseline: The frozen network's metric on them.
        points: Mean bytes per image and the metric of each operating point, by rising bytes.
        chosen: On what the points were chosen.
        size: Bytes of the entry's files.
        data, licence, command: What it was trained on, under which terms it may be used, and how to make it.
        weights: Whose weights the network has, where no package brings them along.
    """

    name: str
    network: str
    split: str
    dataset: str
    metric: str
    n: int
    baseline: float
    points: Sequence[tuple[float, float]]
    chosen: str
    size: int
    data: str
    licence: str
    command: str
    weights: str | None = None

    def __str__(self) -> str:
        sent = ", ".join(f"{value:.3f} from {size:,.1f} bytes" for size, value in self.points)
        needs = f" Needs weights that are not here: {self.weights}." if self.weights else ""
        measured = (
            f"{self.metric.replace('_', ' ')} measured on {self.n:,} validation images of {self.dataset}"
        )
        return (
            f"{self.name} ({self.size / 1e6:.1f} MB): {self.network} cut at {self.split}, {measured}: {sent}"
            f"; frozen {self.baseline:.3f}. {self.chosen}{needs} {self.licence}"
        )

    __repr__ = __str__


def zoo() -> list[Entry]:
    """Every entry, with its numbers; `bottleneck.load(entry.name)` gives its device and server."""
    return [_entry(name) for name in zoo_names()]


def source_of(network: str) -> str | None:
    """Whose weights a network has that an entry was made for; `None` where no card says it.

    Args:
        network: Identity of its weights, as a bundle has it.
    """
    for name in zoo_names():
        source, bundle = _card(name).get("weights"), next(found(f"zoo:{name}").rglob(bundles.FILE))
        if source is not None and bundles.read(bundle.parent)["network"] == network:
            return source
    return None


def _card(name: str) -> dict[str, str]:
    card: dict[str, str] = json.loads((found(f"zoo:{name}") / "card.json").read_text("utf-8"))
    return card


def _entry(name: str) -> Entry:
    folder = found(f"zoo:{name}")
    rows = rows_of(folder)
    first = rows[0].result
    return Entry(
        name=f"zoo:{name}",
        network=first["model"],
        split=first["split"],
        dataset=first["dataset"],
        metric=first["metric"],
        n=first["n"],
        baseline=first["baseline"],
        points=[(row.payload_bytes, row.result["value"]) for row in rows],
        chosen=_chosen(rows),
        size=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        **_card(name),
    )


def _chosen(rows: Sequence[Row]) -> str:
    if rows[0].point is None:
        return "One training gave its one point."
    searched = all("select" in row.settings for row in rows)
    by = "A study chose its points on held-out images" if searched else "One training gave its points"
    return f"{by}; those that another beats on the validation images were left out."
