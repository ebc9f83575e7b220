"""The gap to the frozen detector on the scenes: python benchmarks/detection.py OUT [OVERRIDE...] [OPTION...].

Matsubara and Levorato's slim layer 1 for each number of channels, with their 8-bit payload and with our
quantiser and range coder, beside the depthwise unit and untrained run-length coding at the same split point.

    --slim 3 6 9 12 15      channels of the slim units; nothing: none
    --depthwise 4 16        latent channels of the depthwise units
    OVERRIDE...             of `python train.py task=detection`, for all of them

Rows are appended as they come; `--table OUT.jsonl` prints what a file has.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

from hydra import compose, initialize_config_dir
from tabulate import tabulate

from bottleneck.commands.config import config_dir
from bottleneck.experiment import Experiment, also_methods, suite_methods
from bottleneck.measure.results import read_results
from bottleneck.training import train_unit

_SLIM = ["rate=none", "codec=affine", "also_codecs=[range]"]  # as published: nothing is paid for the latent
_DEPTHWISE = ["unit=depthwise", "unit.stride=1", "objective=pyramid", "also_codecs=[]"]


def measure(name: str, overrides: list[str], untrained: bool) -> list[dict]:
    """Train one unit and measure it; with `untrained` the suite as well. Rows, the frozen network's first."""
    cfg = compose("train", ["task=detection", "trainer.enable_progress_bar=false", *overrides])
    experiment = Experiment.from_config(cfg)
    net = experiment.split(cfg.split)
    features = experiment.features(net)
    start = time.perf_counter()
    trained = train_unit(experiment, net, features)
    seconds = time.perf_counter() - start
    assert trained.unit is not None, "it was trained"
    methods = [trained, *also_methods(cfg, trained.unit, trained.name, cfg.codec.name)]
    methods += suite_methods(cfg.suite, net, "feature") if untrained else []
    for method in methods[1:]:
        method.fit(features.batches("train"), net)
    rows = [dataclasses.asdict(row) for row in experiment.measure(net, features, methods, cfg.subset)]
    for row, method in zip(rows[1:], methods, strict=True):
        if method.unit is not None:
            row["method"] = f"{name}-{method.codec.name}"
            row["train_seconds"] = seconds
    return rows


def table(path: Path) -> str:
    """The rows of a file as Markdown, by method in the order in which they were measured."""
    lines = []
    for row in read_results(path):
        metrics, sent = row.metrics or {}, row.payload_bytes is not None
        lines.append(
            [
                row.method,
                f"{row.payload_bytes:,.0f}" if sent else "",
                f"{row.bpp:.2f}" if sent else "",
                *(f"{metrics[key]:.3f}" for key in ("map", "map50", "mask_map")),
                f"{row.value - row.baseline:+.3f}" if sent else "",
                f"{(row.encoder_params or 0):,}" if sent else "",
                f"{(row.device_macs or 0) / 1e6:.1f}" if sent else "",
            ]
        )
    header = ["method", "bytes", "bpp", "mAP", "mAP50", "mask mAP", "gap"]
    header += ["encoder parameters", "device MMACs"]
    return tabulate(lines, header, tablefmt="github", disable_numparse=True)


def main() -> None:
    """Measure everything that is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("overrides", nargs="*", help="of train.py, before the options")
    parser.add_argument("--slim", type=int, nargs="*", default=[3, 6, 9, 12, 15])
    parser.add_argument("--depthwise", type=int, nargs="*", default=[4, 16])
    parser.add_argument("--table", action="store_true", help="measure nothing")
    options = parser.parse_args()
    runs = [(f"depthwise-{c}", [*_DEPTHWISE, f"unit.latent_channels={c}"]) for c in options.depthwise]
    runs += [(f"slim-{c}", [*_SLIM, f"unit.latent_channels={c}"]) for c in options.slim]
    first = not options.out.exists()
    with initialize_config_dir(config_dir(), version_base="1.3"):
        for name, settings in [] if options.table else runs:
            frozen, *rows = measure(name, [*settings, *options.overrides], first)
            with options.out.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in ([frozen] if first else []) + rows)
            first = False
    print(table(options.out))


if __name__ == "__main__":
    main()
