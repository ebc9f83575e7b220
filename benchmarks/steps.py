"""What a training step costs, and what might make it cheaper.

    python benchmarks/steps.py experiment=imagenette_paper data.root=PATH
    python benchmarks/steps.py experiment=imagenette_mid_paper data.root=PATH

Forward and backward of unit and frozen tail on features with noise, one thread, and of the unit alone as in a
warm start; then in bfloat16, with twice the batch, and with channels last. Processor time, system time apart:
that is the kernel handing memory out again that the process has just given back. Run it a second time with

    GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=20000000000

to see that part go. Overrides are those of `bottleneck train`.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.shared import composed, markdown, parser
from bottleneck.commands.setup import cut_of, point_of


def cost(step: Callable[[], Any], images: int, steps: int) -> list[str]:
    """Milliseconds per image, of the process and of the kernel on its behalf."""
    for _ in range(2):
        step()
    before = os.times()
    for _ in range(steps):
        step()
    after = os.times()
    return [
        f"{1000 * (end - begin) / steps / images:.2f}"
        for begin, end in ((before.user, after.user), (before.system, after.system))
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = parser(__doc__)
    options.add_argument("overrides", nargs="*", help="of bottleneck train")
    options.add_argument("--steps", type=int, default=12, help="that are timed")
    given = options.parse_intermixed_args(arguments)
    torch.set_num_threads(1)
    cfg = composed("train", [*given.overrides, "device=cpu", "cache.enabled=false"])  # a batch is enough
    point = point_of(cfg)
    cut = cut_of(cfg, point.kind)
    unit, net, size = cut.new_unit(point).train(), cut.net, cut.images.batch_size
    with torch.no_grad():
        one = net.head(cut.image)
        features = one.repeat(size, *[1] * (one.ndim - 1)) + torch.randn(size, *one.shape[1:])

    def step(feature: Tensor, tail: Callable[[Tensor], Tensor] = net.tail) -> None:
        tail(unit(feature).feature).float().square().mean().backward()

    doubled = torch.cat([features, features])
    rows = [
        ["unit alone", *cost(lambda: step(features, torch.nn.Identity()), size, given.steps)],
        ["unit and tail", *cost(lambda: step(features), size, given.steps)],
    ]
    with torch.autocast("cpu", torch.bfloat16):
        rows.append(["in bfloat16", *cost(lambda: step(features), size, given.steps)])
    rows.append([f"batches of {2 * size}", *cost(lambda: step(doubled), 2 * size, given.steps)])
    for half in (unit, net.tail):
        half.to(memory_format=torch.channels_last)
    last = features.contiguous(memory_format=torch.channels_last)
    rows.append(["channels last", *cost(lambda: step(last), size, given.steps)])
    print(f"{cut.model.name} at {net.point.name}, batches of {size}, ms per image\n")
    print(markdown(rows, ["training step", "process", "kernel"]))


if __name__ == "__main__":
    main()
