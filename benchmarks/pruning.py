"""What stopping hopeless trials saves, and whether it costs a point: python benchmarks/pruning.py OVERRIDE...

Runs the same study twice, with `study.pruning` as configured and without, from the same seed. Trials that are
not stopped are the same in both. Overrides are those of `bottleneck search`.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import optuna
from hydra import compose, initialize_config_dir
from tabulate import tabulate

from bottleneck.commands.config import config_dir
from bottleneck.search.study import search


def run(overrides: list[str], folder: Path) -> list[str]:
    """The table's line for one study: seconds, trials finished and stopped, points, hypervolume."""
    cfg = compose("search", [*overrides, f"study.folder={folder}", "trainer.enable_progress_bar=false"])
    start = time.perf_counter()
    points = search(cfg)
    seconds = time.perf_counter() - start
    states = [json.loads(line)["state"] for line in (folder / "trials.jsonl").read_text().splitlines()]
    description = json.loads((folder / "frontier" / "frontier.json").read_text())
    return [
        f"{seconds:.0f}",
        str(states.count("COMPLETE")),
        str(states.count("PRUNED")),
        " ".join(str(point.settings["trial"]) for point in points),
        f"{description['hypervolume']['value']:.4f}",
    ]


def main(overrides: list[str]) -> None:
    """Run both studies and print the table."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary, initialize_config_dir(config_dir(), version_base="1.3"):
        folder = Path(temporary)
        run([*overrides, "study.n_trials=1"], folder / "warm")  # fills the cache, compiles the codec
        rows = [
            ["with", *run(overrides, folder / "with")],
            ["without", *run([*overrides, "study.pruning.after=null"], folder / "without")],
        ]
    header = ["pruning", "seconds", "finished", "stopped", "trials on the frontier", "hypervolume"]
    print(tabulate(rows, header, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main(sys.argv[1:])
