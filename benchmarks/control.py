"""The controller against the best fixed strategy and an oracle, on links that change.

    python benchmarks/control.py [--plan plan.json] [--rate 8] [--rows control.jsonl] [--picture plan.png]
    python benchmarks/control.py --trace tram.csv train.csv

A stream of frames on a simulated clock. Delay is the time from a frame to the first answer
about it or a later one, so a strategy that stalls pays for the frames that it drops. Without a plan the
strategies are those of the thesis's worked example (100, 40 and 20 ms of work for 0, 10 and 30 kB), each
number spread by 10 %, the round trip 20 ms. The oracle knows the trace, and takes for each frame what answers
first. Recorded traces (`seconds,bandwidth`, in bytes per second, see `bottleneck.runtime.traces`) take the
place of those that are made up; each is run to its last line, and for two minutes at least.
"""

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared import markdown, parser
from bottleneck.runtime.controller import Controller
from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.link import Link
from bottleneck.runtime.plan import Plan, read_strategies
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.prober import Prober
from bottleneck.runtime.simulation import Autopilot, Course, Fixed, Oracle, Pilot, simulate
from bottleneck.runtime.strategy import Spread, Strategy
from bottleneck.runtime.traces import Trace
from bottleneck.show.plan import draw_plan

SECONDS, RTT = 120.0, 0.02
FIRST = Link(500e3, 0.05)  # what the controller believes before it has measured anything


def traces(seed: int = 0) -> dict[str, Trace]:
    """The links, by name, in bytes per second."""
    rng = np.random.default_rng(seed)
    tenths = [number / 10 for number in range(round(10 * SECONDS))]
    noise = rng.uniform(0.9, 1.1, len(tenths))
    fades = [
        (0, 3e6),
        *((10 * n + shift, rate) for n in range(1, 12) for shift, rate in ((0, 4e4), (1, 3e6))),
    ]
    return {
        "constant, ±10 %, at a crossover": Trace(tenths, (1e6 * noise).tolist()),
        "steps of 20 s": Trace([0, 20, 40, 60, 80, 100], [500e3, 5e6, 100e3, 2e6, 50e3, 600e3]),
        "mobile, slow": Trace.wandering(400e3, 0.8, 20.0, SECONDS, seed=seed),
        "mobile, fast": Trace.wandering(800e3, 0.8, 5.0, SECONDS, seed=seed),
        "outage of 10 s": Trace([0, 50, 60], [2e6, 0, 2e6]),
        "three outages": Trace([0, 20, 25, 50, 70, 90, 93], [600e3, 0, 600e3, 0, 3e6, 0, 3e6]),
        "fades of 1 s": Trace(*zip(*fades, strict=True)),
    }


def example() -> list[Strategy]:
    """The worked example, image by image."""
    rng = np.random.default_rng(0)

    def spread(mean: float) -> Spread:
        return Spread((mean * rng.normal(1, 0.1, 200).clip(0.5, 1.5)).tolist())

    numbers = {"device": (None, 100, 0), "shared": ("layer2", 40, 10e3), "server": ("input", 20, 30e3)}
    return [
        Strategy(
            name,
            split,
            device_ms=spread(work),
            payload_bytes=spread(size),
            server_ms=Spread([0.0]),
            value=0.9,
            codec={"name": "jpeg"} if name == "server" else None,
        )
        for name, (split, work, size) in numbers.items()
    ]


def autopilot(strategies: Sequence[Strategy], policy: Policy) -> Autopilot:
    """Estimator, controller and probes as `bottleneck stream` has them."""
    estimator, controller = Estimator(FIRST), Controller(strategies, policy)
    return Autopilot(estimator, controller, Prober(estimator, controller))


def compare(
    strategies: Sequence[Strategy], policy: Policy, trace: Trace, seed: int, rate: float = 8.0
) -> dict[str, Any]:
    """Mean delays of the controller, of every fixed strategy, and of the oracle on one trace."""
    seconds = max(SECONDS, trace.seconds[-1])

    def run(pilot: Pilot) -> Course:
        return simulate(pilot, trace, RTT, seconds, rate, seed)

    allowed = policy.admitted(strategies)
    ours, ideal = run(autopilot(strategies, policy)), run(Oracle(allowed, trace, RTT))
    fixed = {s.name: _mean(run(Fixed(s))) for s in allowed}
    best = min(fixed, key=lambda name: fixed[name])
    return {
        "controller_ms": _mean(ours),
        "oracle_ms": _mean(ideal),
        "best_fixed": best,
        "best_fixed_ms": fixed[best],
        "switches": ours.switches,
        "oracle_switches": ideal.switches,
        "dropped": ours.chosen.count(None) / len(ours.chosen),
        "probe_share": ours.probe_bytes / ours.sent_bytes if ours.sent_bytes else 0.0,
    }


def _mean(course: Course) -> float:
    return statistics.fmean(course.delays_ms) if course.answers else math.inf


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every trace with five seeds, and print the table."""
    options = parser(__doc__)
    options.add_argument("--plan", type=Path, help="plan.json of `bottleneck plan`; none: the worked example")
    options.add_argument("--rate", type=float, default=8.0, help="frames a second")
    options.add_argument("--drop", type=float, default=0.03, help="of the best metric that may be lost")
    options.add_argument("--trace", type=Path, nargs="+", help="recorded traces; none: those made up here")
    options.add_argument("--rows", type=Path, help="JSON lines, one for each trace and seed")
    options.add_argument("--picture", type=Path, help="the strategies as a plan for a link of 500 kB/s")
    args = options.parse_args(arguments)
    strategies = example() if args.plan is None else read_strategies(args.plan)
    policy = Policy("accuracy", metric=max(s.value for s in strategies) - args.drop)
    if args.picture is not None:
        about = "A worked example: 100, 40 and 20 ms of work for 0, 10 and 30 kB" if args.plan is None else ""
        draw_plan(Plan(strategies, Link(500e3, RTT), policy, "metric", about), args.picture)
    recorded = {str(path): Trace.read(path) for path in args.trace or ()}
    rows = [
        {"trace": name, "seed": seed, **compare(strategies, policy, trace, seed, args.rate)}
        for seed in range(5)
        for name, trace in (recorded or traces(seed)).items()
    ]
    if args.rows is not None:
        args.rows.write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = []
    for name in dict.fromkeys(row["trace"] for row in rows):
        mine = [row for row in rows if row["trace"] == name]

        def mean(key: str, mine: list[dict[str, Any]] = mine) -> float:
            return statistics.fmean(row[key] for row in mine)

        controller, oracle, fixed = mean("controller_ms"), mean("oracle_ms"), mean("best_fixed_ms")
        lines.append(
            [
                name,
                f"{controller:.1f}",
                f"{oracle:.1f}",
                f"{controller / oracle - 1:+.1%}",
                f"{fixed:.1f} ({', '.join(sorted({row['best_fixed'] for row in mine}))})",
                f"{controller / fixed - 1:+.1%}",
                f"{mean('switches'):.1f}",
                f"{mean('oracle_switches'):.1f}",
                f"{mean('dropped'):.1%}",
                f"{mean('probe_share'):.1%}",
            ]
        )
    header = ["link", "controller ms", "oracle ms", "against it", "best fixed ms", "against it"]
    print(markdown(lines, [*header, "switches", "oracle's", "dropped", "bytes of probes"]))


if __name__ == "__main__":
    main()
