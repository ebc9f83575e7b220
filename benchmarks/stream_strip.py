"""A strip of a stream's frames: boxes and vectors, some channels as they are sent, what is left to be sent.

    python -m benchmarks.stream_strip DATA STREAM PICTURE [--frames 60]

DATA and STREAM are those of `benchmarks/streams.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from torch import Tensor

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from benchmarks.shared import parser
from benchmarks.streams import FIT, Stream, streams
from bottleneck import codecs, split
from bottleneck.codecs.streams.motion import PARTS, block_vectors
from bottleneck.codecs.streams.update import UNKNOWN, VECTOR_PRICE, untouched, update_of


@torch.no_grad()
def draw(stream: Stream, picture: Path, levels: int = 32, motion: int = 2) -> None:
    """A strip of frames: boxes and vectors, some channels, and what is left to be sent of all."""
    net = split(stream.network, stream.at, stream.frames[:1]).freeze()
    features = torch.cat([net.head(frame) for frame in stream.frames.split(1)]).numpy()
    stages = [
        {"name": "mid-point", "levels": levels, "per": "channel", "sigmas": 6},
        {"name": "stream", "motion": motion},
    ]
    codec = codecs.create("pipeline", features.shape[1:], stages=stages).fit(features[: len(features) // FIT])
    stages_made: Any = codec.stages
    quantizer, block = stages_made[0], stages_made[1].block
    shown = np.linspace(len(features) // FIT, len(features) - 1, 4).astype(int)
    figure, axes = plt.subplots(3, len(shown), figsize=(3.2 * len(shown), 9.4), layout="constrained")
    for column, number in enumerate(shown.tolist()):
        before, now = (
            quantizer.forward(features[index])[1].astype(np.int64) for index in (number - 1, number)
        )
        vectors = block_vectors(before, now, block, motion, VECTOR_PRICE)
        update = update_of(now, untouched(before, block, UNKNOWN), vectors, block, 0, 1)
        side = stream.frames.shape[-1] / now.shape[-1]
        top, middle, bottom = axes[:, column]
        top.imshow(stream.frames[number].permute(1, 2, 0).numpy())
        rows, columns = np.nonzero(update.vectors.any(axis=2))
        down, right = (update.vectors[rows, columns] * -side / PARTS).T  # where a block came from, to it
        place = [(cells + 0.5) * block * side for cells in (columns, rows)]
        top.quiver(*place, right, down, angles="xy", scale_units="xy", scale=0.5, color="cyan", width=0.006)
        for left, upper, right_side, lower, _ in _as_boxes(
            stream.answer(net.tail(torch.from_numpy(features[number : number + 1])))
        ):
            top.add_patch(
                Rectangle((left, upper), right_side - left, lower - upper, fill=False, color="yellow")
            )
        height, width = stream.frames.shape[2:]
        top.set(xlim=(0, width), ylim=(height, 0))  # whatever sticks out
        top.set_title(f"frame {number}", fontsize=9)
        middle.imshow(_mosaic(now[:16]), cmap="viridis", vmin=0, vmax=levels - 1)
        bottom.imshow(np.abs(update.differences).sum(axis=0), cmap="magma")
        bottom.set_title(f"{(update.differences != 0).mean():.1%} of elements change", fontsize=9)
    for axis, label in zip(
        axes[:, 0],
        ("boxes, vectors (twice as long)", "16 channels as sent", "differences, all channels"),
        strict=True,
    ):
        axis.set_ylabel(label)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def _as_boxes(answer: Any) -> list[list[float]]:
    return (
        answer.tolist() if isinstance(answer, Tensor) and answer.dim() == 2 and answer.shape[1] == 5 else []
    )


def _mosaic(channels: np.ndarray) -> np.ndarray:
    rows = channels.reshape(4, 4, *channels.shape[1:])
    found: np.ndarray = rows.transpose(0, 2, 1, 3).reshape(4 * channels.shape[1], 4 * channels.shape[2])
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the strip."""
    options = parser(__doc__)
    options.add_argument("data", type=Path)
    options.add_argument("stream")
    options.add_argument("picture", type=Path)
    options.add_argument("--frames", type=int, default=60)
    given = options.parse_args(arguments)
    torch.set_num_threads(1)
    draw(streams(given.data, given.frames)[given.stream](), given.picture)


if __name__ == "__main__":
    main()
