"""One photograph through DeepLabV3-ResNet-50 at full size.

python benchmarks/deeplab.py [--split backbone.layer4]

Random weights, and noise for a photograph: this shows that a training step, the codec, a bundle and a server
run at 513×513, how long they take and how many bytes they make, not how good the masks are.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

import bottleneck
from bottleneck import codecs, models
from bottleneck.deploy.bundle import Bundle
from bottleneck.models import weights_identity
from bottleneck.loss.objectives import TaskLoss
from bottleneck.loss.rates import L1Rate
from bottleneck.training.systems import BottleneckSystem
from bottleneck.tasks import Segmentation
from bottleneck.unit import BottleneckUnit

_SIDE = 513


def main() -> None:
    """Run each stage once and print its seconds, then sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", default="backbone.layer4", help="a closed cut of the network")
    split = parser.parse_args().split
    torch.manual_seed(0)
    network = models.create("deeplabv3_resnet50", num_classes=21, output="out", side=_SIDE)
    image = torch.randint(0, 256, (1, 3, _SIDE, _SIDE), dtype=torch.uint8)
    mask = torch.randint(0, 21, (1, _SIDE, _SIDE), dtype=torch.uint8)

    net = _timed("trace and split", lambda: bottleneck.split(network, split, image)).freeze()
    with torch.no_grad():
        feature = _timed("head", lambda: net.head(image))
    channels, *size = net.point.shape
    unit = BottleneckUnit(channels, 32, 4, 0.05, (size[0], size[1]))
    system = BottleneckSystem(
        unit, net, Segmentation(21), TaskLoss(), L1Rate(), 0.1, _SIDE**2, partial(torch.optim.Adam, lr=1e-3)
    )
    optimizer = torch.optim.Adam(unit.parameters(), lr=1e-3)
    # BatchNorm sees 16×16 positions of one image, which is enough for a step.
    _timed("training step (tail and back)", lambda: _step(system, optimizer, (feature, mask)))

    unit.eval()
    codec = codecs.create("range", shape=unit.latent_shape)
    codec.fit(unit.symbols(feature).numpy())
    with tempfile.TemporaryDirectory() as folder:
        Bundle(
            unit,
            codec,
            split,
            weights_identity(network),
            (3, _SIDE, _SIDE),
            preprocessing={"short_side": _SIDE, "crop": _SIDE},
            task="segmentation",
        ).save(folder)
        device, server = _timed("load both sides", lambda: bottleneck.load(folder, network))
        photograph = np.random.default_rng(0).integers(0, 256, (3, 600, 800), dtype=np.uint8)
        payload = _timed("device: image to payload", lambda: device(photograph))
        answer = _timed("server: payload to mask", lambda: server(payload))
    print(f"split {split}: feature {net.point.shape}, {net.point.nbytes:,} bytes in float32")
    print(
        f"latent {unit.latent_shape}, payload {len(payload):,} bytes, {8 * len(payload) / _SIDE**2:.4f} bpp"
    )
    print(f"mask {tuple(answer.shape)}; torch {torch.__version__}, {torch.get_num_threads()} threads")


def _step(system: BottleneckSystem, optimizer: torch.optim.Optimizer, batch: Any) -> None:
    system.log_dict = lambda *_, **__: None  # type: ignore[method-assign] # there is no trainer that takes logs
    loss = system.training_step(batch, 0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    assert all(parameter.grad is not None for parameter in system.unit.parameters())


def _timed(name: str, stage: Callable[[], Any]) -> Any:
    start, worked = time.perf_counter(), time.process_time()
    result = stage()
    elapsed, seconds = time.perf_counter() - start, time.process_time() - worked
    print(f"{name}: {elapsed:.2f} s, {seconds:.2f} s of CPU", flush=True)
    return result


if __name__ == "__main__":
    main()
