"""What a training step costs, and what might make it cheaper: python benchmarks/steps.py OVERRIDE...

    python benchmarks/steps.py experiment=imagenette data.root=PATH
    python benchmarks/steps.py experiment=imagenette_mid data.root=PATH

Forward and backward of unit and frozen tail on features with noise, one thread, and of the unit alone as in a
warm start; then in bfloat16, with twice the batch, and with channels last. Processor time, system time apart:
that is the kernel handing memory out again that the process has just given back. Run it a second time with

    GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=20000000000

to see that part go. Overrides are those of `python train.py`.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from tabulate import tabulate

from bottleneck.commands.config import config_dir
from bottleneck.experiment import Experiment

STEPS = 12


def cost(step: Callable[[], Any], images: int) -> list[str]:
    """Milliseconds per image, of the process and of the kernel on its behalf."""
    for _ in range(2):
        step()
    before = os.times()
    for _ in range(STEPS):
        step()
    after = os.times()
    return [
        f"{1000 * (end - begin) / STEPS / images:.2f}"
        for begin, end in ((before.user, after.user), (before.system, after.system))
    ]


def main(overrides: list[str]) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("train", [*overrides, "device=cpu"])
    experiment = Experiment.from_config(cfg)
    net = experiment.split(cfg.split)
    size = cfg.data.batch_size
    with torch.no_grad():
        features = net.head(experiment.image).repeat(size, 1, 1, 1) + torch.randn(size, *net.point.shape)
    unit = instantiate(cfg.unit, features=features, layout=net.point.layout).train()

    def step(feature: torch.Tensor, tail: Callable[[torch.Tensor], torch.Tensor]) -> None:
        tail(unit(feature).feature).float().square().mean().backward()

    rows = [["unit alone", *cost(lambda: step(features, lambda x: x), size)]]
    rows.append(["unit and tail", *cost(lambda: step(features, net.tail), size)])
    with torch.autocast("cpu", torch.bfloat16):
        rows.append(["in bfloat16", *cost(lambda: step(features, net.tail), size)])
    doubled = features.repeat(2, 1, 1, 1)
    rows.append([f"batches of {2 * size}", *cost(lambda: step(doubled, net.tail), 2 * size)])
    for half in (unit, net.tail):
        half.to(memory_format=torch.channels_last)
    last = features.contiguous(memory_format=torch.channels_last)
    rows.append(["channels last", *cost(lambda: step(last, net.tail), size)])
    print(f"{experiment.model.name} at {net.point.name}, batches of {size}, ms per image\n")
    print(tabulate(rows, ["training step", "process", "kernel"], tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main(sys.argv[1:])
