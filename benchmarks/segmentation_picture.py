"""Draw the masks that a server makes of payloads.

python benchmarks/segmentation_picture.py BUNDLE PICTURE

One column for each scene of val: the image, its true mask, the frozen network's, and the one that the server
made of the payload, with the payload's size.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import torch

import bottleneck
from bottleneck import models
from bottleneck.bundle import Bundle
from bottleneck.data import SemanticScenes

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_COLUMNS = 6


def main() -> None:
    """Send the first scenes of val that hold three digits or more through the bundle, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="folder of a bundle of scenes_segmenter")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--cache", default="~/.cache/bottleneck", help="where the embedded network lies")
    arguments = parser.parse_args()
    made = Bundle.read(arguments.bundle).model
    network = models.create(made["name"], made["weights"], cache_dir=arguments.cache)
    device, server = bottleneck.load(arguments.bundle, network)

    scenes = SemanticScenes()
    full = [n for n in range(scenes.count("val")) if len(scenes.scene("val", n).labels) > 2][:_COLUMNS]
    samples = [scenes.subset("val")[n] for n in full]
    rows = ("image", "truth", "frozen network", "from the payload")
    figure, axes = plt.subplots(4, len(samples), figsize=(1.7 * len(samples), 7.4), layout="constrained")
    for column, (image, truth) in enumerate(samples):
        payload = device(image)
        with torch.no_grad():
            frozen = network(image[None]).argmax(1)[0]
        answer = server(payload)[0]
        axes[0, column].imshow(np.moveaxis(image.numpy(), 0, -1))
        for row, mask in enumerate((truth, frozen, answer), start=1):
            axes[row, column].imshow(mask, vmin=0, vmax=10, cmap="tab20", interpolation="nearest")
        agreement = float((answer == frozen).float().mean())
        axes[3, column].set_xlabel(f"{len(payload)} bytes\n{100 * agreement:.1f} % as frozen", fontsize=9)
    for line, name in zip(axes, rows, strict=True):
        line[0].set_ylabel(name)
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    figure.savefig(arguments.picture, dpi=110)


if __name__ == "__main__":
    main()
