"""A plan for a detector on a camera's frames, which nobody has labelled.

    python -m benchmarks.camera FRAMES BUNDLE [BUNDLE ...] --weights PATH --plan plan.json
    python -m benchmarks.devices plan.json --drop 0.1

FRAMES is a folder of images of one camera, such as `vtest/frames`; bundles are a single-stage detector's, or
its frontiers. Every frame goes through the device alone, JPEG and WebP at several qualities, and every
bundle, as `bottleneck plan` runs its strategies. The metric is agreement: mean average precision against the
objects that the frozen network finds with a score of 0.3 or more. `benchmarks.devices` makes the plan's
two ratios.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.shared import markdown, parser
from bottleneck import codecs, models
from bottleneck.channel import Channel
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import numbered_bundles
from bottleneck.devices import device_of
from bottleneck.models.suppression import objects_of
from bottleneck.preprocess import preprocess
from bottleneck.runtime.device.sources import Pictures
from bottleneck.runtime.link import Link
from bottleneck.runtime.measuring import device_only, measure, server_only, shared
from bottleneck.runtime.plan import Plan
from bottleneck.runtime.policies import Policy
from bottleneck.show import provenance
from bottleneck.tasks.objects import pack
from bottleneck.tasks.single_stage import SingleStage

PICTURES: list[dict[str, Any]] = [
    {"name": name, "quality": quality} for name in ("jpeg", "webp") for quality in (10, 30, 60, 90)
]
LIKELY = 0.3  # score of what counts as found


@torch.no_grad()
def labelled(network: nn.Module, bundle: Bundle, frame: Image.Image) -> tuple[Tensor, Tensor]:
    """A frame as it enters the head, and what the frozen network finds in it, as a batch of one."""
    image = preprocess(**bundle.preprocessing or {}, channels=bundle.image_shape[0])(frame)
    size = bundle.letterboxed(frame)
    if size is None:
        raise ValueError(
            f"{bundle} detects nothing in letterboxed images. Use `bottleneck plan data=frames`."
        )
    return image, pack(objects_of(network(image[None])[0], size, LIKELY), size)[None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the plan, and print its table."""
    options = parser(__doc__)
    options.add_argument("frames", type=Path)
    options.add_argument("bundles", type=Path, nargs="+")
    options.add_argument("--weights", help="of the network, where they are a file")
    options.add_argument("--count", type=int, default=60, help="frames, evenly spread")
    options.add_argument("--plan", type=Path, default=Path("plan.json"))
    given = options.parse_args(arguments)
    numbered = [pair for folder in given.bundles for pair in numbered_bundles(folder)]
    bundle = numbered[0][0]
    made: dict[str, Any] = {key: value for key, value in bundle.model.items() if key != "_target_"}
    network = models.create(**made | ({} if given.weights is None else {"weights": given.weights})).eval()
    frames = list(Pictures(given.frames))
    frames = frames[:: max(1, len(frames) // given.count)][: given.count]
    pictures = [
        (
            codec,
            Channel(
                codecs.create(shape=bundle.image_shape, **codec), name=f"{codec['name']}-{codec['quality']}"
            ),
        )
        for codec in PICTURES
    ]
    ways = [device_only(network)]
    ways += [server_only(network, picture, codec) for codec, picture in pictures]
    ways += shared(network, numbered)
    task = SingleStage(made["num_classes"])
    strategies = measure(ways, [labelled(network, bundle, frame) for frame in frames], task)
    about = f"{made['name']} on {given.frames}, n = {len(frames)}, agreement with itself"
    measured = provenance.measured(device_of(network))
    plan = Plan(strategies, Link(250e3, 0.03), Policy(), task.metric, about, provenance=measured)
    plan.write(given.plan)
    rows = [plan.summary(strategy) for strategy in strategies]
    keys = ("name", "value", "device_ms", "payload_bytes", "server_ms", "latency_ms")
    print(
        markdown([[row[key] if key == "name" else f"{row[key]:.3f}" for key in keys] for row in rows], keys)
    )
    print(f"\n{plan.advice}")


if __name__ == "__main__":
    main()
