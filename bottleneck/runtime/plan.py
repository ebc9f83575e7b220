"""What to do on a link: finish on the device, send a picture, or split, and where.

strategies ──► those that keep the metric ──┬──► the policy's choice at the link ──► a sentence
                                            └──► the fastest at every bandwidth, crossovers
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from bottleneck.integrity import description
from bottleneck.runtime.crossovers import Crossover, crossover, regions
from bottleneck.runtime.energy import Energy
from bottleneck.runtime.link import Link
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Strategy

_FORMAT, _VERSION = "split-bottleneck plan", 1


@dataclass(frozen=True)
class Plan:
    """Strategies of one network, and what they come to on one link.

    Attributes:
        strategies: All that were measured.
        link: The link.
        policy: What is wanted.
        metric: What the strategies' values are, such as `accuracy_top1`.
        about: What network, what data.
        energy: The device's constants, where its user knows them.
        provenance: How, where and when that was measured, as JSON has it.

    Raises:
        ValueError: If no strategy reaches the policy's metric, or the link is none.
    """

    strategies: Sequence[Strategy]
    link: Link
    policy: Policy
    metric: str
    about: str = ""
    energy: Energy | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.link.checked()
        self.policy.admitted(self.strategies)

    @cached_property
    def choice(self) -> Strategy:
        """What the policy takes on this link."""
        return self.policy.best(self.strategies, self.latency_ms)

    @cached_property
    def regions(self) -> list[tuple[Strategy, float, float]]:
        """Of the strategies that keep the metric the fastest at every bandwidth, at this round trip."""
        return regions(self.policy.admitted(self.strategies), self.link.rtt)

    @cached_property
    def crossovers(self) -> list[Crossover]:
        """Where one of these takes over from the one before."""
        found = (crossover(low, high, self.link.rtt) for (low, *_), (high, *_) in pairwise(self.regions))
        return [one for one in found if one is not None]

    def latency_ms(self, strategy: Strategy) -> float:
        """Milliseconds from an image to its answer on this link."""
        return strategy.latency_ms(self.link)

    @property
    def advice(self) -> str:
        """What to do, in a sentence, with what the other kinds of strategy would take."""
        do = {
            "device": "Finish on the device",
            "server": f"Send a picture, {self.choice.name}",
            "shared": f"Split at {self.choice.split}, {self.choice.name}",
        }[self.choice.kind]
        others = [
            f"{what} would take {self.latency_ms(best):.3g} ms"
            for kind, what in (
                ("device", "the device alone"),
                ("server", "the best picture"),
                ("shared", "the best split"),
            )
            if kind != self.choice.kind and (best := self._fastest(kind)) is not None
        ]
        found = f"{do}: {self.latency_ms(self.choice):.3g} ms for {self.metric} {self.choice.value:.3f}"
        found = f"{found}; {', '.join(others)}." if others else f"{found}."
        if self.latency_ms(self.choice) > 1000 * self.policy.latency:
            found += f" Nothing keeps budget.latency={self.policy.latency:g}; this comes nearest."
        return found

    def _fastest(self, kind: str) -> Strategy | None:
        those = [strategy for strategy in self.policy.admitted(self.strategies) if strategy.kind == kind]
        return min(those, key=self.latency_ms, default=None)

    def write(self, path: Path) -> None:
        """Write everything as JSON; `read_strategies` reads the measured part again."""
        content = {
            "about": self.about,
            "provenance": dict(self.provenance),
            "energy": None if self.energy is None else asdict(self.energy),
            "metric": self.metric,
            "link": self.link._asdict(),
            "policy": {key: value for key, value in asdict(self.policy).items() if value != math.inf},
            "choice": self.choice.name,
            "advice": self.advice,
            "summary": [self.summary(strategy) for strategy in self.strategies],
            "regions": [[s.name, low, None if high == math.inf else high] for s, low, high in self.regions],
            "crossovers": [
                {**asdict(one), "interval": [None if end == math.inf else end for end in one.interval]}
                for one in self.crossovers
            ],
            "strategies": [strategy.to_dict() for strategy in self.strategies],
        }
        description.write(path, _FORMAT, _VERSION, content)

    def summary(self, strategy: Strategy) -> dict[str, Any]:
        """A strategy in a few numbers."""
        found = {
            "name": strategy.name,
            "kind": strategy.kind,
            "value": strategy.value,
            "device_ms": strategy.device_ms.median,
            "device_ms_p90": strategy.device_ms.p90,
            "payload_bytes": strategy.payload_bytes.mean,
            "payload_bytes_p90": strategy.payload_bytes.p90,
            "server_ms": strategy.server_ms.median,
            "latency_ms": self.latency_ms(strategy),
        }
        return found if self.energy is None else {**found, "energy_mj": self.energy.mj(strategy, self.link)}


def read_strategies(path: Path) -> list[Strategy]:
    """The strategies of a plan.json.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is none, was changed after it was written, or is of a newer version.
    """
    if not path.is_file():
        raise FileNotFoundError(f"plan={path} is no file. `bottleneck plan` writes plan.json.")
    try:
        # The version did not change when the checksum came.
        content, _ = description.read(path, _FORMAT, [_VERSION], unsealed=[_VERSION])
        return [Strategy.from_dict(entry) for entry in content["strategies"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read by this release ({error}). Run `bottleneck plan` again."
        ) from error
