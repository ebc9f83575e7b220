"""What a training step costs, and what might make it cheaper.

    python benchmarks/steps.py experiment=imagenette_paper data.root=PATH
    python benchmarks/steps.py experiment=imagenette_mid data.root=PATH

Forward and backward of everything that a step computes on features with noise, one thread: unit, rate, frozen
tail on both features, objective; and of the unit alone as in a warm start. Then with the folded tail that
training takes, in bfloat16, and with twice the batch. Processor time, system time apart: that is the kernel
handing memory out again that the process has just given back. Run it a second time with

    GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=20000000000

to see that part go. Overrides are those of `bottleneck train`.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks.shared import composed, markdown, parser
from bottleneck.commands.setup import cut_of, point_of, recipe_of
from bottleneck.loss import Objective
from bottleneck.loss.objectives import Matching
from bottleneck.splitting import SplitModel
from bottleneck.training.systems import BottleneckSystem
from bottleneck.unit import latent_codec


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
    point, recipe = point_of(cfg), recipe_of(cfg)
    cut = cut_of(cfg, point.kind)
    unit, net, size = cut.new_unit(point), cut.net, cut.images.batch_size
    loss = point.loss(unit.latent_shapes, cut.pixels, unit.step)
    channel = cut.channel(latent_codec(unit.latent_shapes, **point.codec), unit)
    with torch.no_grad():
        one = net.head(cut.image)
        features = one.repeat(size, *[1] * (one.ndim - 1)) + torch.randn(size, *one.shape[1:])

    def step(net: SplitModel, objective: Objective, times: int = 1) -> Callable[[], None]:
        system = BottleneckSystem(channel, net, cut.task, objective, loss, recipe.optimizer).train()
        batch = features.repeat(times, 1, 1, 1), torch.zeros(times * size, dtype=torch.int64)
        return lambda: system.terms(batch)[0].loss.backward()

    quick = net.folded(point.objective.layers)
    rows = [
        ["unit alone", *cost(step(net, Matching()), size, given.steps)],
        ["unit and tail", *cost(step(net, point.objective), size, given.steps)],
        ["folded", *cost(step(quick, point.objective), size, given.steps)],
    ]
    with torch.autocast("cpu", torch.bfloat16):
        rows.append(["folded, in bfloat16", *cost(step(quick, point.objective), size, given.steps)])
    doubled = cost(step(quick, point.objective, 2), 2 * size, given.steps)
    rows.append([f"folded, batches of {2 * size}", *doubled])
    print(f"{cut.model.name} at {net.point.name}, batches of {size}, ms per image\n")
    print(markdown(rows, ["training step", "process", "kernel"]))


if __name__ == "__main__":
    main()
