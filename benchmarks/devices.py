"""Which way to an answer wins where: one plan, for slower devices and other links.

    python benchmarks/devices.py PLAN [--drop 0.03]

PLAN is the `plan.json` of `bottleneck plan`. A device that is k times slower takes k times what this machine
took for the device's half; the server stays as it is. Of the strategies that lose no more than the drop, the
table names the fastest, its milliseconds, and those of the fastest of each other kind.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from benchmarks.shared import markdown, parser
from bottleneck.runtime.link import Link
from bottleneck.runtime.plan import read_strategies
from bottleneck.runtime.strategy import Spread, Strategy

SLOWER = {"a core of this machine": 1, "5 times slower": 5, "20 times slower": 20}
LINKS = {
    "50 Mbit/s, 10 ms": Link(6.25e6, 0.01),
    "2 Mbit/s, 30 ms": Link(250e3, 0.03),
    "40 kbit/s, 100 ms": Link(5e3, 0.1),  # NB-IoT
    "10 kbit/s, 200 ms": Link(1.25e3, 0.2),
}
KINDS = {"device": "finish on the device", "server": "send a picture", "shared": "split"}


def slower(strategy: Strategy, factor: float) -> Strategy:
    """The same on a device that takes `factor` times as long."""
    samples = [factor * ms for ms in strategy.device_ms.samples]
    return dataclasses.replace(strategy, device_ms=Spread(samples))


def rows(strategies: Sequence[Strategy]) -> list[list[str]]:
    """One line for each device and link."""
    table = []
    for device, factor in SLOWER.items():
        for name, link in LINKS.items():
            fastest = {
                kind: min(
                    (slower(s, factor) for s in strategies if s.kind == kind),
                    key=lambda s: s.latency_ms(link),  # called at once
                )
                for kind in KINDS
            }
            best = min(KINDS, key=lambda kind: fastest[kind].latency_ms(link))
            cells = [f"{fastest[kind].name}: {fastest[kind].latency_ms(link):,.0f} ms" for kind in KINDS]
            table.append([device, name, KINDS[best], *cells])
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, print."""
    options = parser(__doc__)
    options.add_argument("plan", type=Path)
    options.add_argument("--drop", type=float, default=0.03, help="of the metric, below the network's own")
    given = options.parse_args(arguments)
    strategies = read_strategies(given.plan)
    whole = max(strategy.value for strategy in strategies if strategy.kind == "device")
    kept = [strategy for strategy in strategies if strategy.value >= whole - given.drop]
    print(markdown(rows(kept), ["device", "link", "fastest", *KINDS.values()]))


if __name__ == "__main__":
    main()
