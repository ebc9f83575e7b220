"""What stopping hopeless trials saves, and whether it costs a point.

    python benchmarks/pruning.py OVERRIDE...

Runs the same study twice, with `study.pruning` as configured and without, from the same seed. Trials that are
not stopped are the same in both. Overrides are those of `bottleneck search`.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import optuna

from benchmarks.shared import composed, markdown, parser
from bottleneck.commands.search import search_from


def run(overrides: Sequence[str], folder: Path) -> list[str]:
    """The table's line for one study: seconds, trials finished and stopped, points, hypervolume."""
    cfg = composed("search", [*overrides, f"study.folder={folder}"])
    start = time.perf_counter()
    points = search_from(cfg)
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both studies and print the table."""
    options = parser(__doc__)
    options.add_argument("overrides", nargs="*", help="of bottleneck search")
    overrides = options.parse_args(arguments).overrides
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run([*overrides, "study.n_trials=1"], folder / "warm")  # fills the cache, compiles the codec
        rows = [
            ["with", *run(overrides, folder / "with")],
            ["without", *run([*overrides, "study.pruning.after=null"], folder / "without")],
        ]
    header = ["pruning", "seconds", "finished", "stopped", "trials on the frontier", "hypervolume"]
    print(markdown(rows, header))


if __name__ == "__main__":
    main()
