"""The picture of a study that was kept as its trials alone, beside untrained codecs at its cut.

    python benchmarks/study_picture.py TRIALS ROWS PICTURE

TRIALS is the `trials.jsonl` of `bottleneck search`; of ROWS, a `results.jsonl` of `bottleneck evaluate` on
the same network, the frozen network and the untrained codecs at the study's cut are drawn.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.headline import study_frontier
from benchmarks.shared import parser
from bottleneck.measure.results import Result, read_results
from bottleneck.show.pictures import draw_frontier


def main(arguments: Sequence[str] | None = None) -> None:
    """Read and draw."""
    options = parser(__doc__)
    options.add_argument("trials", type=Path)
    options.add_argument("rows", type=Path)
    options.add_argument("picture", type=Path)
    given = options.parse_args(arguments)
    trials = [json.loads(line) for line in given.trials.read_text().splitlines()]
    finished = [Result(**trial["val"]) for trial in trials if trial["state"] == "COMPLETE"]
    beside = [
        row for row in read_results(given.rows) if row.kind != "trained" and row.split == finished[0].split
    ]
    points = [((row.payload_bytes or 0) + 1, row.value) for row in study_frontier(given.trials)]  # its id
    draw_frontier(finished, beside, points, given.picture)


if __name__ == "__main__":
    main()
