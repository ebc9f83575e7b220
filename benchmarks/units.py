r"""What depth buys: accuracy of several units at equal bytes, against what their encoders cost the device.

    python benchmarks/units.py rows.jsonl experiment=imagenette data.root=PATH
    python benchmarks/units.py rows.jsonl --units plain,residual-4 --seeds 0 --alphas 0.02 \
      experiment=imagenette data.root=PATH

Every unit is trained at every alpha from every seed with the experiment's other settings, coded to real
bytes and measured on the validation images. Overrides are those of `python train.py`. Each finished run is
a line of the file; runs that it has already (same unit, alpha, seed and overrides) are not repeated, so the
command may be killed and started again. The table interpolates each unit's mean points, in the logarithm of
the bytes, at `--bytes`.
"""

import argparse
import dataclasses
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir
from tabulate import tabulate

from bottleneck.config import config_dir
from bottleneck.experiment import Experiment, Features
from bottleneck.splitting import SplitModel
from bottleneck.training import train_unit

UNITS = {
    "plain": ["unit=plain"],
    "depthwise": ["unit=depthwise"],
    "residual-0": ["unit=residual", "unit.depth=0"],
    "residual-1": ["unit=residual", "unit.depth=1"],
    "residual-2": ["unit=residual", "unit.depth=2"],
    "residual-4": ["unit=residual", "unit.depth=4"],
}
QUIET = ["trainer.enable_progress_bar=false"]


@dataclasses.dataclass(frozen=True)
class Run:
    """One operating point that is trained; equal runs are trained once."""

    unit: str
    alpha: float
    seed: int
    overrides: tuple[str, ...]

    def experiment(self, prepared: Experiment) -> Experiment:
        """The prepared experiment, its network and data, configured for this run."""
        own = [*UNITS[self.unit], f"alpha={self.alpha}", f"seed={self.seed}"]
        return dataclasses.replace(prepared, cfg=compose("train", [*QUIET, *self.overrides, *own]))


def measure(experiment: Experiment, net: SplitModel, features: Features) -> dict[str, Any]:
    """Train the run's unit as `train.py` does; its row on the experiment's subset."""
    method = train_unit(experiment, net, features)
    return dataclasses.asdict(experiment.measure(net, features, [method], experiment.cfg.subset)[1])


def finished(path: Path) -> dict[Run, dict[str, Any]]:
    """The rows of the file by their runs."""
    entries = map(json.loads, path.read_text().splitlines() if path.exists() else [])
    return {
        Run(entry["unit"], entry["alpha"], entry["seed"], tuple(entry["overrides"])): entry["row"]
        for entry in entries
    }


def summary(rows: dict[Run, dict[str, Any]], payload_bytes: float) -> str:
    """A line per unit, by rising work on the device: its mean points, and its accuracy at equal bytes."""
    points: dict[str, dict[float, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for run, row in rows.items():
        points[run.unit][run.alpha].append(row)
    lines = []
    for unit, by_alpha in points.items():
        means = sorted(
            (_mean(members, "payload_bytes"), _mean(members, "value")) for members in by_alpha.values()
        )
        any_row = next(iter(by_alpha.values()))[0]
        lines.append(
            {
                "unit": unit,
                "encoder parameters": f"{any_row['encoder_params']:,}",
                "encoder MMACs": any_row["encoder_macs"] / 1e6,
                "of the device's MACs": f"{any_row['encoder_macs'] / any_row['device_macs']:.2%}",
                "runs": sum(map(len, by_alpha.values())),
                "bytes: top-1": ", ".join(f"{size:.1f}: {value:.4f}" for size, value in means),
                f"top-1 at {payload_bytes:g} bytes": _interpolated(means, payload_bytes),
            }
        )
    lines.sort(key=lambda line: line["encoder MMACs"])
    return tabulate(lines, headers="keys", tablefmt="github", floatfmt=".2f")


def _mean(rows: list[dict[str, Any]], key: str) -> float:
    return statistics.fmean(row[key] for row in rows)


def _interpolated(means: list[tuple[float, float]], payload_bytes: float) -> str:
    """Accuracy at a number of bytes; nothing is extrapolated."""
    sizes, values = zip(*means, strict=True)
    if not sizes[0] <= payload_bytes <= sizes[-1]:
        return "not reached"
    return f"{np.interp(np.log(payload_bytes), np.log(sizes), values):.4f}"


def main() -> None:
    """Train what the file does not have yet, and print the table of all of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=Path, help="JSON lines, continued where it exists")
    parser.add_argument("--units", default="plain,depthwise,residual-2", help=f"of {', '.join(UNITS)}")
    parser.add_argument("--alphas", default="0.01,0.02,0.04")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--bytes", type=float, default=30, help="where units are compared")
    parser.add_argument("overrides", nargs="*", help="of python train.py")
    arguments = parser.parse_intermixed_args()
    rows = finished(arguments.rows)
    shared = tuple(arguments.overrides)
    runs = [
        Run(unit, float(alpha), int(seed), shared)
        for seed in arguments.seeds.split(",")
        for alpha in arguments.alphas.split(",")
        for unit in arguments.units.split(",")
    ]
    with initialize_config_dir(config_dir(), version_base="1.3"):
        prepared = Experiment.from_config(compose("train", [*QUIET, *shared]))
        net = prepared.split(prepared.cfg.split)
        features = prepared.features(net)
        for run in runs:
            if run in rows:
                continue
            rows[run] = measure(run.experiment(prepared), net, features)
            with arguments.rows.open("a") as file:
                file.write(json.dumps({**dataclasses.asdict(run), "row": rows[run]}) + "\n")
            print(f"{run}: {rows[run]['value']:.4f} at {rows[run]['payload_bytes']:.1f} bytes", flush=True)
    print(summary({run: rows[run] for run in rows if run.overrides == shared}, arguments.bytes))


if __name__ == "__main__":
    main()
