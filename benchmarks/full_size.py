"""One image at full size through everything, every stage timed.

    python benchmarks/full_size.py deeplab        513×513; a depthwise unit at backbone.layer4
    python benchmarks/full_size.py faster_rcnn    800×800; a slim unit in the place of layer1

Random weights, and noise for a photograph: this shows that a training step, the codecs, a bundle, the device
and the server run at this size, how long they take and how many bytes they make, not how good the answers
are. The codecs' tables are those of the very image.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import bottleneck
from benchmarks.shared import parser
from bottleneck import codecs, models
from bottleneck.channel import Channel
from bottleneck.codecs.image_sizes import IMAGE_SIZES
from bottleneck.deploy.bundle import Bundle
from bottleneck.identity import weights_identity
from bottleneck.loss import Loss
from bottleneck.loss.objectives import HeadDistillation, Objective, TaskLoss
from bottleneck.loss.rates import L1Rate
from bottleneck.tasks import Detection, Segmentation, Task
from bottleneck.training.systems import BottleneckSystem
from bottleneck.unit import unit_class
from bottleneck.unit.fitting import unit_for

_AS_IT_IS: dict[str, int] = {}  # the image needs no resizing


@dataclass(frozen=True)
class Case:
    """What is sent through: a network with its cut, and a unit with its training."""

    network: str
    options: dict[str, Any]
    side_options: tuple[str, ...]
    side: int
    split: str
    kind: str
    unit: dict[str, Any]
    task: Task
    objective: Objective


CASES = {
    "deeplab": Case(
        network="deeplabv3_resnet50",
        options={"num_classes": 21, "output": "out"},
        side_options=("side",),
        side=513,
        split="backbone.layer4",
        kind="depthwise",
        unit={"latent_channels": 32, "stride": 4, "step": 0.05},
        task=Segmentation(21),
        objective=TaskLoss(),
    ),
    "faster_rcnn": Case(
        network="fasterrcnn_resnet50_fpn",
        options={},
        side_options=("min_size", "max_size"),
        side=800,
        split="layer1",
        kind="slim",
        unit={"latent_channels": 3, "step": 0.05},
        task=Detection(91),
        objective=HeadDistillation(),
    ),
}


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Print how long a stage took, and how much of that the CPU worked for it."""
    start, work = time.perf_counter(), time.process_time()
    yield
    seconds, worked = time.perf_counter() - start, time.process_time() - work
    print(f"{stage:34} {seconds:8.2f} s, {worked:7.2f} s of CPU", flush=True)


def training_step(system: BottleneckSystem, batch: Any) -> None:
    """Forward, backward and the optimizer's step, without a Trainer."""
    optimizer = torch.optim.Adam(system.unit.parameters(), lr=1e-3)
    # BatchNorm sees the positions of one image, which are enough for a step.
    terms, _, _ = system.train().terms(batch)
    terms.loss.backward()
    assert all(parameter.grad is not None for parameter in system.unit.parameters())
    optimizer.step()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run each stage once and print its seconds, then sizes."""
    options = parser(__doc__)
    options.add_argument("case", choices=CASES)
    options.add_argument("--side", type=int, help="of the image; its usual one without it")
    given = options.parse_args(arguments)
    case = CASES[given.case]
    side = given.side or case.side
    shape = (3, side, side)
    torch.manual_seed(0)
    sized: dict[str, Any] = {**case.options, **dict.fromkeys(case.side_options, side)}
    network = models.create(case.network, **sized)
    image = torch.randint(0, 256, shape, dtype=torch.uint8)
    with timed("trace and split"):
        net = bottleneck.split(network, case.split, image[None], unit_class(case.kind).replaces).freeze()
    with torch.no_grad(), timed("head"):
        entering = net.head(image[None])
    with torch.no_grad(), timed("tail"):
        sizes = net.sizes(image[None])
        net.rest(entering, sizes)
    unit = unit_for(net, entering, case.kind, case.unit)

    def channel(codec: str) -> Channel:
        return Channel(codecs.create(codec, shape=unit.latent_shape), unit, adapter=net.adapter)

    target: Any = torch.randint(0, 21, (1, side, side))
    if IMAGE_SIZES in sizes:
        target = [{"sizes": sizes[IMAGE_SIZES].of(0)}]
    loss = Loss(L1Rate(unit.latent_shape, side**2), alpha=0.1)
    system = BottleneckSystem(channel("range"), net, case.task, case.objective, loss, torch.optim.Adam)
    with timed("training step"):
        training_step(system, (entering, target))
    unit.eval()
    for name in ("affine", "range"):
        coding = channel(name).fit([(entering, target)])
        coding.transmit(entering)  # compiles it
        with timed(f"{name}: feature to bytes and back"):
            sent = coding.transmit(entering)
        print(f"{name}: {sent.payload_bytes[0]:,} bytes of payload")

    with tempfile.TemporaryDirectory() as folder:
        bundle = Bundle(
            unit, coding.codec, case.split, weights_identity(network), shape, _AS_IT_IS, task=case.task.name
        )
        bundle.save(folder)
        written = sum(file.stat().st_size for file in Path(folder).iterdir())
        with timed("load both sides"):
            device, server = bottleneck.load(folder, network)
    with timed("device: image to payload"):
        payload = device(image)
    with timed("server: payload to answer"):
        answer = server(payload)
    shown = tuple(answer.shape) if isinstance(answer, torch.Tensor) else f"{len(answer[0]['boxes'])} boxes"
    print(f"split {case.split}: feature {net.point.shape}, {net.point.nbytes:,} bytes in float32")
    print(f"latent {unit.latent_shape}, payload {len(payload):,} bytes, {8 * len(payload) / side**2:.4f} bpp")
    print(f"bundle {written:,} bytes; answer {shown}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
