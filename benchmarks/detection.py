"""The gap to the frozen detector on the scenes.

    python benchmarks/detection.py OUT.jsonl [OVERRIDE...] --slim 3 6 9 12 15 --depthwise 4 16

Matsubara and Levorato's slim layer 1 for each number of channels, with their 8-bit payload and with our
quantiser and range coder, beside the depthwise unit and untrained run-length coding at the same split point.
Overrides are those of `bottleneck train task=detection`, for all units. Rows are appended as they come;
`--table` prints what a file has.
"""

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.shared import composed, markdown, parser
from bottleneck.commands.setup import also_channels, cut_of, point_of, recipe_of, suite_channels
from bottleneck.measure.results import read_results
from bottleneck.training import train

#: Overrides of each kind of unit.
UNITS = {
    "depthwise": ["unit=depthwise", "unit.stride=1", "objective=pyramid", "also_codecs=[]"],
    "slim": [
        "rate=none",
        "codec=affine",
        "also_codecs=[range]",
    ],  # as published: nothing is paid for the latent
}


def measure(name: str, width: int, overrides: Sequence[str], first: bool) -> list[dict[str, Any]]:
    """Train a unit and measure it through its codecs.

    Args:
        name: Of `UNITS`.
        width: Latent channels.
        overrides: For all units.
        first: Whether the frozen network and the suite are wanted as well.

    Returns:
        Rows, with the seconds that training took.
    """
    own = [*UNITS[name], f"unit.latent_channels={width}"]
    cfg = composed("train", ["task=detection", *own, *overrides])
    point = point_of(cfg)
    cut = cut_of(cfg, point.kind)
    untrained = suite_channels(cfg.suite, cut, "feature") if first else []
    start = time.perf_counter()
    trained = train(cut, point, recipe_of(cfg), enable_checkpointing=False)
    seconds = time.perf_counter() - start
    assert trained is not None, "one process trains"
    assert trained.unit is not None, "it is what was trained"
    also = also_channels(cut, trained.unit, cfg.also_codecs, trained.codec.name, name=name, family=name)
    for channel in (trained, *also):
        channel.name, channel.family = f"{name}-{width}-{channel.codec.name}", f"{name}-{channel.codec.name}"
        channel.setting = str(width)
    cut.fit([*also, *untrained])
    rows = [cut.frozen(cfg.subset)] if first else []
    rows += cut.measure([trained, *also, *untrained], cfg.subset, point.seed)
    took = {"train_seconds": seconds}
    return [{**dataclasses.asdict(row), **(took if row.kind == "trained" else {})} for row in rows]


def table(path: Path) -> str:
    """The rows of a file by method, in the order in which they were measured."""
    lines = []
    for row in read_results(path):
        metrics, sent = row.metrics or {}, row.payload_bytes is not None
        lines.append(
            {
                "method": row.method,
                "bytes": f"{row.payload_bytes:,.0f}" if sent else "",
                "bpp": f"{row.bpp:.2f}" if sent else "",
                "mAP": f"{metrics['map']:.3f}",
                "mAP50": f"{metrics['map50']:.3f}",
                "mask mAP": f"{metrics['mask_map']:.3f}",
                "gap": f"{row.baseline - row.value:.3f}" if sent else "",
                "encoder parameters": f"{row.encoder_params or 0:,}" if sent else "",
                "device MMACs": f"{(row.device_macs or 0) / 1e6:.1f}" if sent else "",
            }
        )
    return markdown(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything that is asked for and print the table."""
    options = parser(__doc__)
    options.add_argument("out", type=Path)
    options.add_argument("overrides", nargs="*", help="of bottleneck train, for all units")
    options.add_argument(
        "--slim", type=int, nargs="*", default=[3, 6, 9, 12, 15], help="channels; nothing: none"
    )
    options.add_argument("--depthwise", type=int, nargs="*", default=[4, 16], help="latent channels")
    options.add_argument("--table", action="store_true", help="measure nothing")
    given = options.parse_intermixed_args(arguments)
    runs = [] if given.table else [(name, width) for name in UNITS for width in getattr(given, name)]
    for name, width in runs:
        rows = measure(name, width, given.overrides, first=not given.out.exists())
        with given.out.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    print(table(given.out))


if __name__ == "__main__":
    main()
