"""What it costs to hold a whole frontier and to switch between its points.

    python benchmarks/switching.py STUDY/frontier OVERRIDE...

Overrides name the network, as in `bottleneck search`. What a point adds to the one frozen network
that all points share are its unit's parameters and buffers and its codec's tables. On disk, points of one
unit share its weights; what is counted there is a point's own.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import torch
from hydra.utils import instantiate

import bottleneck
from benchmarks.shared import composed, markdown, parser
from bottleneck.deploy import FrontierDevice
from bottleneck.measure.timing import median_ms


def held_bytes(module: torch.nn.Module) -> int:
    """Bytes of a module's parameters and buffers."""
    return sum(t.numel() * t.element_size() for t in itertools.chain(module.parameters(), module.buffers()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Load the frontier, code a feature at one point and at changing points, print both times."""
    options = parser(__doc__)
    options.add_argument("frontier", type=Path)
    options.add_argument("overrides", nargs="*", help="of bottleneck search")
    options.add_argument("--repeats", type=int, default=200, help="timed calls per point")
    given = options.parse_intermixed_args(arguments)
    model = instantiate(composed("search", given.overrides).model).eval()
    device, _ = bottleneck.load(given.frontier, model)
    assert isinstance(device, FrontierDevice), "a frontier's folder makes no other"
    sides = device.devices
    first = sides[device.points[0].id]
    feature = first.feature(torch.randint(0, 256, first.bundle.image_shape, dtype=torch.uint8))

    print(f"Frozen network, held once: {held_bytes(model):,} bytes\n")
    rows, times = [], []
    for point in device.points:
        side = sides[point.id]
        tables = sum(file.stat().st_size for file in (given.frontier / point.bundle).iterdir())
        times.append(median_ms(side.encode, [feature] * given.repeats))
        sizes = (f"{point.payload_bytes:.2f}", held_bytes(side.bundle.unit), tables)
        rows.append([point.id, *sizes, f"{times[-1]:.3f}"])
    print(markdown(rows, ["point", "payload B", "unit B", "bundle B on disk", "encode ms"]))
    switching = median_ms(lambda side: side.encode(feature), list(sides.values()) * given.repeats)
    print(f"\nencode, same point again and again, mean over points: {1000 * sum(times) / len(times):.0f} us")
    print(f"encode, another point every time, median: {1000 * switching:.0f} us")


if __name__ == "__main__":
    main()
