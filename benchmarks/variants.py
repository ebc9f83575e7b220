r"""Units, objectives, or beginnings at equal bytes: what depth buys, what labels buy, what probes buy.

    python benchmarks/variants.py units rows.jsonl experiment=imagenette_paper data.root=PATH
    python benchmarks/variants.py probes rows.jsonl --alphas 1 --seeds 0 --bytes 250 \
      experiment=imagenette_mid_probes data.root=PATH trainer.max_epochs=1
    python benchmarks/variants.py objectives rows.jsonl --variants task,logits --seeds 0 --alphas 0.02 \
      experiment=imagenette_paper data.root=PATH

Every variant is trained at every alpha from every seed with the experiment's other settings, coded to real
bytes and measured on the validation images. Overrides are those of `bottleneck train`. Each finished run is a
line of the file, with the processor's seconds of its training; runs that it has already are not repeated, so
the command may be killed and started again.
The table interpolates each variant's mean points, in the logarithm of the bytes, at `--bytes`.
"""

import dataclasses
import itertools
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from benchmarks.shared import composed, markdown, parser
from bottleneck.commands.setup import cut_of, point_of, recipe_of
from bottleneck.cut import Cut
from bottleneck.training import train

_CHEAP = 8  # epochs without the tail, whatever they match

#: Overrides of each variant, and what alpha is multiplied by, so that the variants meet at similar bytes.
VARIANTS: dict[str, dict[str, tuple[list[str], float]]] = {
    "units": {
        "plain": (["unit=plain"], 1),
        "depthwise": (["unit=depthwise"], 1),
        "residual-0": (["unit=residual", "unit.depth=0"], 1),
        "residual-2": (["unit=residual", "unit.depth=2"], 1),
        "residual-4": (["unit=residual", "unit.depth=4"], 1),
    },
    "objectives": {  # of EfficientNet-Lite0
        "task": (["objective=task"], 5),
        "logits": (["objective=logits"], 1),
        "features": (["objective=features", "objective.layers=[_bn1]"], 5),
        "task+logits": (["objective=sum"], 1),
    },
    "probes": {  # without the tail, and as the beginning of trainer.max_epochs through it
        "matching": (["objective=matching", f"trainer.max_epochs={_CHEAP}"], 1),
        "probes": (["objective=probes", f"trainer.max_epochs={_CHEAP}"], 1),
        **{
            f"{beginning}-then-logits": (
                [
                    "objective=logits",
                    f"objective@warm_start.objective={beginning}",
                    f"warm_start.epochs={_CHEAP}",
                ],
                1,
            )
            for beginning in ("matching", "probes")
        },
    },
}


@dataclasses.dataclass(frozen=True)
class Run:
    """One operating point that is trained; equal runs are trained once.

    Attributes:
        group: Of `VARIANTS`.
        variant: Of the group.
        alpha: Before it is multiplied.
        seed: Of the training.
        overrides: What all variants share.
    """

    group: str
    variant: str
    alpha: float
    seed: int
    overrides: tuple[str, ...]

    @property
    def cfg(self) -> DictConfig:
        """The configuration of `bottleneck train` for this run."""
        settings, factor = VARIANTS[self.group][self.variant]
        own = [*settings, f"alpha={self.alpha * factor}", f"seed={self.seed}"]
        return composed("train", [*self.overrides, *own])


def measure(cut: Cut, cfg: DictConfig) -> dict[str, Any]:
    """Train the configuration's unit as `bottleneck train` does; its row on the experiment's subset."""
    start = time.process_time()
    channel = train(cut, point_of(cfg), recipe_of(cfg), enable_checkpointing=False)
    assert channel is not None, "one process trains"
    seconds = time.process_time() - start
    return {**dataclasses.asdict(cut.measure([channel], cfg.subset, cfg.seed)[0]), "train_cpu_s": seconds}


def finished(path: Path) -> dict[Run, dict[str, Any]]:
    """The rows of the file by their runs."""
    entries = map(json.loads, path.read_text().splitlines() if path.exists() else [])
    rows = [(entry.pop("row"), entry) for entry in entries]
    return {Run(**{**run, "overrides": tuple(run["overrides"])}): row for row, run in rows}


def summary(rows: dict[Run, dict[str, Any]], payload_bytes: float) -> str:
    """A line per variant, by rising work on the device: its mean points, and its accuracy at equal bytes."""
    points: dict[str, dict[float, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for run, row in rows.items():
        points[run.variant][run.alpha].append(row)
    lines = []
    rising = sorted(points.items(), key=lambda item: next(iter(item[1].values()))[0]["encoder_macs"])
    for variant, by_alpha in rising:
        means = sorted(
            (_mean(members, "payload_bytes"), _mean(members, "value")) for members in by_alpha.values()
        )
        any_row = next(iter(by_alpha.values()))[0]
        lines.append(
            {
                "variant": variant,
                "encoder parameters": f"{any_row['encoder_params']:,}",
                "encoder MMACs": f"{any_row['encoder_macs'] / 1e6:.2f}",
                "of the device's MACs": f"{any_row['encoder_macs'] / any_row['device_macs']:.2%}",
                "runs": sum(map(len, by_alpha.values())),
                "bytes: top-1": ", ".join(f"{size:.1f}: {value:.4f}" for size, value in means),
                f"top-1 at {payload_bytes:g} bytes": _interpolated(means, payload_bytes),
            }
        )
    return markdown(lines)


def _mean(rows: list[dict[str, Any]], key: str) -> float:
    return statistics.fmean(row[key] for row in rows)


def _interpolated(means: list[tuple[float, float]], payload_bytes: float) -> str:
    """Accuracy at a number of bytes; nothing is extrapolated."""
    sizes, values = zip(*means, strict=True)
    if not sizes[0] <= payload_bytes <= sizes[-1]:
        return "not reached"
    return f"{np.interp(np.log(payload_bytes), np.log(sizes), values):.4f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what the file does not have yet, and print the table of all of it."""
    options = parser(__doc__)
    options.add_argument("group", choices=VARIANTS)
    options.add_argument("rows", type=Path, help="JSON lines, continued where it exists")
    options.add_argument("--variants", help="some of the group, such as plain,depthwise; all without it")
    options.add_argument("--alphas", default="0.01,0.02,0.04")
    options.add_argument("--seeds", default="0,1")
    options.add_argument("--bytes", type=float, default=30, help="where variants are compared")
    options.add_argument("overrides", nargs="*", help="of bottleneck train")
    given = options.parse_intermixed_args(arguments)
    rows = finished(given.rows)
    shared = tuple(given.overrides)
    cut = cut_of(composed("train", shared))
    for seed, alpha, variant in itertools.product(
        given.seeds.split(","),
        given.alphas.split(","),
        (given.variants or ",".join(VARIANTS[given.group])).split(","),
    ):
        run = Run(given.group, variant, float(alpha), int(seed), shared)
        if run in rows:
            continue
        rows[run] = measure(cut, run.cfg)
        with given.rows.open("a") as file:
            file.write(json.dumps({**dataclasses.asdict(run), "row": rows[run]}) + "\n")
        print(f"{run}: {rows[run]['value']:.4f} at {rows[run]['payload_bytes']:.1f} bytes", flush=True)
    mine = {run: row for run, row in rows.items() if (run.group, run.overrides) == (given.group, shared)}
    print(summary(mine, given.bytes))


if __name__ == "__main__":
    main()
