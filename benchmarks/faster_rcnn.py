"""One 800×800 image through a slim Faster R-CNN, every step timed: python benchmarks/faster_rcnn.py.

Random weights, one CPU: a train step, the codecs, a bundle, and both sides that are loaded from it.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn import functional as F

from bottleneck import codecs, deploy, models
from bottleneck.deploy.bundle import Bundle
from bottleneck.models import weights_identity
from bottleneck.splitting import split
from bottleneck.unit import SlimUnit

_CHANNELS, _STEP = 3, 0.05


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long it took, and how much of that the CPU worked for it."""
    start, work = time.perf_counter(), time.process_time()
    yield
    seconds, worked = time.perf_counter() - start, time.process_time() - work
    print(f"{what:34} {seconds:8.2f} s, {worked:7.2f} s of CPU", flush=True)


def main() -> None:
    """Run all steps and print times and bytes."""
    torch.manual_seed(0)
    model = models.create("fasterrcnn_resnet50_fpn")
    image = torch.randint(0, 256, (3, 800, 800), dtype=torch.uint8)
    with timed("trace and split"):
        net = split(model, "layer1", image[None], replace=True).freeze()
    with torch.no_grad(), timed("head (stem)"):
        entry = net.head(image[None])
    with torch.no_grad(), timed("frozen layer 1"):
        wanted = net.feature(entry)
    unit = SlimUnit(64, _CHANNELS, _STEP, (200, 200), 256)
    optimizer = torch.optim.Adam(unit.parameters(), lr=1e-3)
    with timed("train step (head distillation)"):
        loss = F.mse_loss(unit(entry).feature, wanted)
        loss.backward()
        optimizer.step()
    unit.eval()
    with torch.no_grad(), timed("frozen detector behind layer 1"):
        net.tail(wanted, net.sizes(image[None]))
    with torch.no_grad():
        latent = unit.encode(entry)[0].numpy()
    affine = codecs.create("affine", shape=unit.latent_shape)
    with timed("affine: encode and decode"):
        payload = affine.encode(latent)
        affine.decode(payload)
    print(f"affine: {len(payload):,} bytes of payload")

    codec = codecs.create("range", shape=unit.latent_shape).fit(unit.symbols(entry).numpy())
    codec.encode(unit.symbols(entry)[0].numpy())  # compiles it
    with tempfile.TemporaryDirectory() as folder:
        Bundle(unit, codec, "layer1", weights_identity(model), (3, 800, 800)).save(folder)
        written = sum(file.stat().st_size for file in Path(folder).iterdir())
        with timed("range: load both sides"):
            device, server = deploy.load(folder, model)
    with timed("range: device"):
        payload = device(image)
    with timed("range: server"):
        found = server(payload)
    boxes = len(found[0]["boxes"])
    print(f"range: {len(payload):,} bytes of payload, {written:,} of bundle, {boxes} boxes")


if __name__ == "__main__":
    main()
