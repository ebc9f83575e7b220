"""Draw the boxes that a server makes of payloads.

python benchmarks/detection_picture.py BUNDLE PICTURE

One column for each scene of val: the true boxes, the frozen detector's, and those that the server made of the
payload, with the payload's size.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch

import bottleneck
from bottleneck import models
from bottleneck.bundle import Bundle
from bottleneck.data import DetectionScenes

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_COLUMNS, _SURE = 6, 0.5


def draw(axes: Any, image: torch.Tensor, objects: dict[str, torch.Tensor]) -> None:
    """Draw an image with its objects; of those that were found, the sure ones."""
    axes.imshow(np.moveaxis(image.numpy(), 0, -1))
    scores = objects.get("scores", torch.ones(len(objects["boxes"])))
    for box, label, score in zip(objects["boxes"].tolist(), objects["labels"], scores, strict=True):
        if score < _SURE:
            continue
        left, top, right, bottom = box
        frame = plt.Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, color="yellow")
        axes.add_patch(frame)
        axes.text(left, top - 1, int(label) - 1, color="yellow", fontsize=9, clip_on=True)


def main() -> None:
    """Send the first scenes of val that hold three digits or more through the bundle, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="folder of a bundle of scenes_detector")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--cache", default="~/.cache/bottleneck", help="where the embedded network lies")
    arguments = parser.parse_args()
    made = Bundle.read(arguments.bundle).model
    network = models.create(made["name"], made["weights"], cache_dir=arguments.cache)
    device, server = bottleneck.load(arguments.bundle, network)

    scenes = DetectionScenes()
    full = [n for n in range(scenes.count("val")) if len(scenes.scene("val", n).labels) > 2][:_COLUMNS]
    samples = [scenes.subset("val")[n] for n in full]
    rows = ("truth", "frozen detector", "from the payload")
    figure, axes = plt.subplots(3, len(samples), figsize=(1.7 * len(samples), 5.6), layout="constrained")
    for column, (image, truth) in enumerate(samples):
        payload = device(image)
        with torch.no_grad():
            frozen = network(image[None])[0]
        for row, objects in enumerate((truth, frozen, server(payload)[0])):
            draw(axes[row, column], image, objects)
        axes[2, column].set_xlabel(f"{len(payload):,} bytes", fontsize=9)
    for line, name in zip(axes, rows, strict=True):
        line[0].set_ylabel(name)
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    figure.savefig(arguments.picture, dpi=110)


if __name__ == "__main__":
    main()
