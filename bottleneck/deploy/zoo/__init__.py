"""Trained operating points that the package brings along, each with a card; nobody has to train to try.

    zoo/NETWORK/NAME/  card.json      data, licence, and the command that trained it
                       frontier.json  point-00/ ...   or one bundle: bundle.json unit.safetensors

`benchmarks/zoo.py` makes an entry of a run's or a study's folder.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bottleneck.deploy.frontier import read_bundles
from bottleneck.deploy.places import found, zoo_names


@dataclass(frozen=True)
class Entry:
    """What is known of an entry.

    Attributes:
        name: What `bottleneck.load` takes.
        network: Name of the frozen network.
        split: Split point.
        dataset, metric, n: On what, by what and on how many images it was measured.
        baseline: The frozen network's metric on them.
        points: Mean bytes per image and the metric of each operating point, by rising bytes.
        data, licence, command: What it was trained on, under which terms it may be used, and how to make it.
    """

    name: str
    network: str
    split: str
    dataset: str
    metric: str
    n: int
    baseline: float
    points: Sequence[tuple[float, float]]
    data: str
    licence: str
    command: str

    def __str__(self) -> str:
        sent = ", ".join(f"{value:.3f} from {size:,.1f} bytes" for size, value in self.points)
        return (
            f"{self.name}: {self.network} cut at {self.split}, {self.metric.replace('_', ' ')} on {self.n:,} "
            f"images of {self.dataset}: {sent}; frozen {self.baseline:.3f}. {self.licence}"
        )

    __repr__ = __str__


def zoo() -> list[Entry]:
    """Every entry, with its numbers; `bottleneck.load(entry.name)` gives its device and server."""
    return [_entry(name) for name in zoo_names()]


def _entry(name: str) -> Entry:
    folder = found(f"zoo:{name}")
    points, bundles = read_bundles(folder)
    first = bundles[0].result
    named = bool(points)  # by one byte more
    return Entry(
        name=f"zoo:{name}",
        network=first["model"],
        split=bundles[0].split,
        dataset=first["dataset"],
        metric=first["metric"],
        n=first["n"],
        baseline=first["baseline"],
        points=[(each.result["payload_bytes"] + named, each.result["value"]) for each in bundles],
        **json.loads((folder / "card.json").read_text("utf-8")),
    )
