"""Draw what a server makes of payloads of scenes: masks of a segmentation network, boxes of a detector.

    python benchmarks/scenes_picture.py BUNDLE PICTURE

One column for each scene of val: the image, what is in it, what the frozen network finds there, and what the
server made of the payload, with the payload's size.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

import bottleneck
from benchmarks.shared import parser
from bottleneck import models
from bottleneck.data import DetectionScenes, SemanticScenes
from bottleneck.data.scenes import Scenes
from bottleneck.deploy.bundle import Bundle

_COLUMNS, _SURE = 6, 0.5

Draw = Callable[[Any, torch.Tensor, Any], None]  # axes, an image, what is in it


def draw_mask(axes: Any, image: torch.Tensor, mask: torch.Tensor) -> None:
    """Draw the class of every pixel."""
    axes.imshow(mask.numpy(), vmin=0, vmax=10, cmap="tab20", interpolation="nearest")


def draw_boxes(axes: Any, image: torch.Tensor, objects: dict[str, torch.Tensor]) -> None:
    """Draw an image with its objects; of those that were found, the sure ones."""
    draw_image(axes, image)
    scores = objects.get("scores", torch.ones(len(objects["boxes"])))
    for box, label, score in zip(objects["boxes"].tolist(), objects["labels"], scores, strict=True):
        if score < _SURE:
            continue
        left, top, right, bottom = box
        frame = Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, color="yellow")
        axes.add_patch(frame)
        axes.text(left, top - 1, int(label) - 1, color="yellow", fontsize=9, clip_on=True)


def draw_image(axes: Any, image: torch.Tensor) -> None:
    """Draw the image itself."""
    axes.imshow(np.moveaxis(image.numpy(), 0, -1), interpolation="nearest")


#: By task: the scenes, how an answer is drawn, and the answer in what the network returns for one image.
TASKS: dict[str, tuple[type[Scenes], Draw, Callable[[Any], Any]]] = {
    "segmentation": (SemanticScenes, draw_mask, lambda logits: logits.argmax(1)[0]),
    "detection": (DetectionScenes, draw_boxes, lambda found: found[0]),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Send the first scenes of val that hold three digits or more through the bundle, and draw."""
    options = parser(__doc__)
    options.add_argument(
        "bundle", type=Path, help="folder of a bundle of scenes_segmenter or scenes_detector"
    )
    options.add_argument("picture", type=Path)
    given = options.parse_args(arguments)
    bundle = Bundle.read(given.bundle)
    network = models.create(bundle.model["name"], bundle.model["weights"])
    device, server = bottleneck.load(given.bundle, network)

    made, draw, answer = TASKS[bundle.task]
    scenes = made()
    full = [n for n in range(scenes.count("val")) if len(scenes.scene("val", n).labels) > 2][:_COLUMNS]
    names = ("image", "truth", "frozen network", "from the payload")
    size = (1.7 * _COLUMNS, 7.4)
    figure, axes = plt.subplots(len(names), _COLUMNS, figsize=size, layout="constrained")
    for column, n in zip(axes.T, full, strict=True):
        image, truth = scenes.subset("val")[n]
        payload = device(image)
        with torch.no_grad():
            frozen = answer(network(image[None]))
        draw_image(column[0], image)
        for panel, found in zip(column[1:], (truth, frozen, server(payload)[0]), strict=True):
            draw(panel, image, found)
        column[-1].set_xlabel(f"{len(payload):,} bytes", fontsize=9)
    for line, name in zip(axes, names, strict=True):
        line[0].set_ylabel(name)
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    figure.savefig(given.picture, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
