"""Samplers on the real objective at equal trials.

    python benchmarks/samplers.py FOLDER SEEDS OVERRIDE...

Runs one study for every sampler and each of SEEDS seeds of the draws; the seed of training stays, so equal
draws are equal trials. Nothing is stopped early. A second start goes on where the first one was interrupted.
Overrides are those of `bottleneck search`.

A study is judged after k trials by the area of its frontier in octaves of rate times metric, from the
smallest untrained row's rate and from ten points below the frozen network up; divided by those ten points it
is the mean number of halvings of the bytes at equal metric. Writes FOLDER/samplers.jsonl, one line per trial,
draws FOLDER/samplers.png and prints the table.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from matplotlib.figure import Figure

from benchmarks.shared import composed, markdown, parser
from bottleneck.commands.search import search_from
from bottleneck.measure import pareto
from bottleneck.show.captions import save

SAMPLERS = ("random", "qmc", "tpe")
POINTS_BELOW = 0.1  # the range of the metric that counts, down from the frozen network's


def study(sampler: str, seed: int, folder: Path, overrides: Sequence[str]) -> list[dict[str, Any]]:
    """Run one study to its end; its finished trials, as lines of samplers.jsonl."""
    name = f"{sampler}-{seed}"
    own = [f"sampler={sampler}", f"study.seed={seed}", f"study.name={name}", f"study.folder={folder / name}"]
    search_from(composed("search", [*overrides, *own, "study.pruning.after=null"]))
    trials = [json.loads(line) for line in (folder / name / "trials.jsonl").read_text().splitlines()]
    description = json.loads((folder / name / "frontier" / "frontier.json").read_text())
    largest, _ = description["hypervolume"]["reference"]
    return [
        {
            "sampler": sampler,
            "seed": seed,
            **{key: trial[key] for key in ("number", "params", "values", "seconds")},
            "val": {key: trial["val"][key] for key in ("payload_bytes", "bpp", "value")},
            "frozen": trial["select"]["baseline"],
            "untrained_bpp": largest,
        }
        for trial in trials
        if trial["state"] == "COMPLETE"
    ]


def octaves(trials: list[dict[str, Any]]) -> list[float]:
    """Mean halvings of the rate after each trial, `(len(trials),)`."""
    frozen, largest = trials[0]["frozen"], trials[0]["untrained_bpp"]
    reference = (np.log2(largest), frozen - POINTS_BELOW)
    rates, values = zip(*(trial["values"] for trial in trials), strict=True)
    # A trial that sends nothing has no logarithm; less than a bit per photograph of 224×224 stands for it.
    logs = np.log2(np.maximum(rates, 2.0**-16))
    return [
        pareto.hypervolume(logs[:count], np.minimum(values[:count], frozen), reference) / POINTS_BELOW
        for count in range(1, len(trials) + 1)
    ]


def summarise(lines: list[dict[str, Any]], path: Path) -> None:
    """Print the table and draw the picture of all studies' lines."""
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    rows = []
    for sampler, width in zip(SAMPLERS, (4, 2.5, 1.2), strict=True):
        seeds = sorted({line["seed"] for line in lines if line["sampler"] == sampler})
        runs = [
            octaves([line for line in lines if (line["sampler"], line["seed"]) == (sampler, seed)])
            for seed in seeds
        ]
        shortest = min(map(len, runs))
        curves = np.array([run[:shortest] for run in runs])
        count = np.arange(1, shortest + 1)
        seeded = "1 seed" if len(seeds) == 1 else f"mean of {len(seeds)} seeds"
        axes.plot(count, curves.mean(axis=0), linewidth=width, label=f"{sampler}, {seeded}")
        axes.fill_between(count, curves.min(axis=0), curves.max(axis=0), alpha=0.15)
        rows.append([sampler, len(seeds), *map(_spread, _at(curves, shortest))])
    marks = [f"after {number}" for number in _marks(shortest)]
    print(markdown(rows, ["sampler", "seeds", *marks]))
    axes.set_xlabel("finished trials")
    axes.set_ylabel("halvings of the bytes at equal metric")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    sentence = (
        "How often the bytes of the smallest untrained codec were halved, on average over ten points below "
        "the frozen network; higher is better. Bands: the range of the seeds. TPE begins with the random "
        "points."
    )
    save(figure, sentence, path)


def _marks(shortest: int) -> list[int]:
    return [number for number in (4, 8, 16, 24, 32) if number <= shortest]


def _at(curves: np.ndarray, shortest: int) -> Iterable[np.ndarray]:
    return (curves[:, number - 1] for number in _marks(shortest))


def _spread(values: np.ndarray) -> str:
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{values.mean():.2f} [{values.min():.2f}, {values.max():.2f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all studies, seed by seed, so that an early end leaves equal numbers of each sampler."""
    options = parser(__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("seeds", type=int)
    options.add_argument("overrides", nargs="*", help="of bottleneck search")
    given = options.parse_intermixed_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    lines = []
    for seed in range(given.seeds):
        for sampler in SAMPLERS:
            lines += study(sampler, seed, given.folder, given.overrides)
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (given.folder / "samplers.jsonl").write_text(text)
    summarise(lines, given.folder / "samplers.png")


if __name__ == "__main__":
    main()
