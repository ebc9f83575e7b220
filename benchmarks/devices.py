"""Which way to an answer wins where: one plan, for slower devices and other links.

    python benchmarks/devices.py PLAN [--drop 0.03] [--watts COMPUTING WAITING] [--byte JOULES] [--tail J]

PLAN is the `plan.json` of `bottleneck plan`, or of `benchmarks.camera`. A device that is k times slower takes
k times what this machine took for the device's half; the server stays as it is. Of the strategies that lose
no more than the drop, the table names the fastest, its milliseconds, and those of the fastest of each other
kind.

Below it, what choosing is worth over a sweep of bandwidths, against always finishing on the device and always
sending the picture that is best there: mean (geometric) and largest ratio of the latencies, and of the
device's energies; the choice is the fastest, or the one of least energy. Every network has the same constants
unless others are given: 3 W computing (assumed), and an LTE radio of 1.288 W and 3.5 uJ a byte. Frames follow
one another, so the radio has no tail; where each is sent alone, LTE's is 12.3 J (1.06 W for 11.6 s).

Source of these ratios: Kang et al., "Neurosurgeon", ASPLOS 2017; of the radio: Huang et al., "A close
examination of performance and power characteristics of 4G LTE networks", MobiSys 2012.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import geometric_mean

import numpy as np

from benchmarks.shared import markdown, parser
from bottleneck.runtime.energy import Energy
from bottleneck.runtime.link import Link
from bottleneck.runtime.plan import read_strategies
from bottleneck.runtime.strategy import Strategy

SLOWER = {"a core of this machine": 1, "5 times slower": 5, "20 times slower": 20}
LINKS = {
    "50 Mbit/s, 10 ms": Link(6.25e6, 0.01),
    "2 Mbit/s, 30 ms": Link(250e3, 0.03),
    "40 kbit/s, 100 ms": Link(5e3, 0.1),  # NB-IoT
    "10 kbit/s, 200 ms": Link(1.25e3, 0.2),
}
SWEEP = np.geomspace(1.25e3, 12.5e6, 61)  # bytes a second: 10 kbit/s to 100 Mbit/s
ROUND_TRIP = 0.03
KINDS = {"device": "finish on the device", "server": "send a picture", "shared": "split"}


def rows(strategies: Sequence[Strategy]) -> list[list[str]]:
    """One line for each device and link."""
    table = []
    for device, factor in SLOWER.items():
        for name, link in LINKS.items():
            fastest: dict[str, Strategy] = {}
            for strategy in (each.slower(factor) for each in strategies):
                known = fastest.setdefault(strategy.kind, strategy)
                if strategy.latency_ms(link) < known.latency_ms(link):
                    fastest[strategy.kind] = strategy
            best = min(fastest, key=lambda kind: fastest[kind].latency_ms(link))  # called at once
            cells = [
                f"{fastest[kind].name}: {fastest[kind].latency_ms(link):,.0f} ms"
                if kind in fastest
                else "none within the drop"
                for kind in KINDS
            ]
            table.append([device, name, KINDS[best], *cells])
    return table


def gains(strategies: Sequence[Strategy], cost: Callable[[Strategy, Link], float]) -> list[str]:
    """How many times as much it costs never to choose: mean and largest, over the sweep.

    Args:
        strategies: Of one device.
        cost: Of a strategy on a link.
    """
    cells = []
    links = [Link(float(bandwidth), ROUND_TRIP) for bandwidth in SWEEP]
    best = [min(cost(strategy, link) for strategy in strategies) for link in links]
    for kind in ("device", "server"):
        own = [s for s in strategies if s.kind == kind]
        if not own:
            cells.append("none within the drop")
            continue
        always = [min(cost(strategy, link) for strategy in own) for link in links]
        ratios = [worse / better for worse, better in zip(always, best, strict=True)]
        cells.append(f"{geometric_mean(ratios):.2f} / {max(ratios):.1f}")
    return cells


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, print."""
    options = parser(__doc__)
    options.add_argument("plan", type=Path)
    options.add_argument("--drop", type=float, default=0.03, help="of the metric, below the network's own")
    options.add_argument(
        "--watts", type=float, nargs=2, default=[3.0, 1.288], help="of the device, computing and waiting"
    )
    options.add_argument("--byte", type=float, default=3.5e-6, help="joules for each byte sent")
    options.add_argument("--tail", type=float, default=0.0, help="joules of the radio after each sending")
    given = options.parse_args(arguments)
    strategies = read_strategies(given.plan)
    whole = max(strategy.value for strategy in strategies if strategy.kind == "device")
    kept = [strategy for strategy in strategies if strategy.value >= whole - given.drop]
    print(markdown(rows(kept), ["device", "link", "fastest", *KINDS.values()]))
    computing, waiting = given.watts
    energy, table = Energy(computing, waiting, given.byte, given.tail), []
    for device, factor in SLOWER.items():
        own = [strategy.slower(factor) for strategy in kept]
        faster = gains(own, lambda strategy, link: strategy.latency_ms(link))
        table.append([device, *faster, *gains(own, energy.mj)])
    against = ["against the device alone", "against the best picture"]
    print(f"\n{markdown(table, ['device', *against, *(f'energy, {other}' for other in against)])}")


if __name__ == "__main__":
    main()
