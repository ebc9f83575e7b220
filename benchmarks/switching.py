"""What it costs to hold a whole frontier and to switch between its points.

    python benchmarks/switching.py STUDY/frontier OVERRIDE...

Overrides name the network, as in `bottleneck search`. What a point adds to the one frozen network
that all points share are its unit's parameters and buffers and its codec's tables.
"""

import itertools
import sys
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from tabulate import tabulate

import bottleneck
from bottleneck.commands.config import config_dir
from bottleneck.deploy import FrontierDevice
from bottleneck.measure.timing import median_ms


def held_bytes(module: torch.nn.Module) -> int:
    """Bytes of a module's parameters and buffers."""
    return sum(t.numel() * t.element_size() for t in itertools.chain(module.parameters(), module.buffers()))


def main(folder: Path, overrides: list[str]) -> None:
    """Load the frontier, code a feature at one point and at changing points, print both times."""
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("search", overrides)
    model = instantiate(cfg.model).eval()
    device, _ = bottleneck.load(folder, model)
    assert isinstance(device, FrontierDevice)
    sides = device.devices
    first = sides[device.points[0].id]
    feature = first.feature(torch.randint(0, 256, first.bundle.image_shape, dtype=torch.uint8))

    print(f"frozen network, held once: {held_bytes(model):,} bytes")
    rows = []
    for point in device.points:
        bundle = sides[point.id].bundle
        tables = sum(file.stat().st_size for file in (folder / point.bundle).iterdir())
        milliseconds = median_ms(sides[point.id].encode, [feature] * 200)
        rows.append([point.id, point.payload_bytes, held_bytes(bundle.unit), tables, f"{milliseconds:.3f}"])
    print(
        tabulate(rows, ["point", "payload B", "unit B", "bundle B on disk", "encode ms"], tablefmt="github")
    )

    staying = sum(median_ms(side.encode, [feature] * 200) for side in sides.values()) / len(sides)
    order = list(sides.values()) * 200
    switching = median_ms(lambda side: side.encode(feature), order)
    print(f"\nencode, same point again and again, mean over points: {1000 * staying:.0f} us")
    print(f"encode, another point every time, median: {1000 * switching:.0f} us")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
