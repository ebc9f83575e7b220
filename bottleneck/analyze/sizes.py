"""What a payload of so many bytes is worth: the metric by size, for pictures of the input and the feature.

::

    each image ─► each quality ─► payload ─► size bin, one payload of an image at most ─► metric of the bin

Means over a data set hide that payloads differ from image to image; a link has a budget for each one.

Source: Ulhaq, BASc thesis, SFU 2020.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bottleneck import codecs
from bottleneck.channel import Channel

_MOST_BINS = 1000

Scores = Callable[[NDArray[Any]], NDArray[np.float64]]
Sent = list[tuple[NDArray[np.int64], NDArray[np.float64]]]


@dataclass(frozen=True)
class Sizes:
    """The metric by payload size.

    Attributes:
        n: Images.
        baseline: The metric with nothing lost.
        edges: Of the size bins, in bytes, evenly spaced in the logarithm. One more than there are bins.
        value: By curve: the metric in each bin, `None` where it is empty.
        count: By curve: images in each bin.
        crossover: By picture format: the size from which on sending the feature is never worse than
            sending the input, in all bins that both have; `None` where there is none.
    """

    n: int
    baseline: float
    edges: list[float]
    value: dict[str, list[float | None]]
    count: dict[str, list[int]]
    crossover: dict[str, float | None]

    @property
    def summary(self) -> str:
        found = (
            f"{name}: {'nowhere' if size is None else f'from {size:,.0f} bytes on'}"
            for name, size in self.crossover.items()
        )
        return f"the feature is worth its bytes at least as much as the input with {', '.join(found)}"

    @classmethod
    def of(
        cls,
        images: NDArray[np.uint8],
        features: NDArray[np.float32],
        options: Any,
        image_scores: Scores,
        feature_scores: Scores,
    ) -> "Sizes":
        """Send every image and every feature as a picture at every quality.

        Args:
            images: Shape ``(n, c, h, w)``.
            features: Of the images. Shape ``(n, C, H, W)``.
            options: Has `pictures`, formats with a quality; `qualities`; `bins`, a number; `bytes`, the
                smallest and largest size that count.
            image_scores: From images to 1 for each that is right, else 0: ``(n, c, h, w)`` to ``(n,)``.
            feature_scores: Likewise from features, through the tail.

        Raises:
            ValueError: If the range of sizes is empty, or a format or quality is unknown or none is given.
        """
        if not options.pictures or not options.qualities:
            raise ValueError("sizes.pictures and sizes.qualities must name one or more: nothing is compared.")
        low, high = options.bytes if len(options.bytes) == 2 else (0, 0)
        if not 0 < low < high or not 1 <= options.bins <= _MOST_BINS:
            raise ValueError(
                f"sizes.bytes={list(options.bytes)} and sizes.bins={options.bins} give no bins. Use two "
                f"numbers, 0 < low < high, and 1 to {_MOST_BINS} bins."
            )
        edges = np.geomspace(low, high, options.bins + 1)
        value: dict[str, list[float | None]] = {}
        count: dict[str, list[int]] = {}
        for picture in options.pictures:
            for where, arrays, scores, codec in (
                ("input", images, image_scores, {"name": picture}),
                ("feature", features, feature_scores, {"name": "tiled", "image": picture}),
            ):
                sent = [_send(arrays, {**codec, "quality": q}, scores) for q in options.qualities]
                value[f"{picture}, {where}"], count[f"{picture}, {where}"] = binned(sent, edges)
        crossover = {
            picture: _crossover(value[f"{picture}, input"], value[f"{picture}, feature"], edges)
            for picture in options.pictures
        }
        return cls(len(images), float(image_scores(images).mean()), edges.tolist(), value, count, crossover)


def _send(
    arrays: NDArray[Any], codec: dict[str, Any], scores: Scores
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bytes and scores of all arrays through one codec, both ``(n,)``."""
    channel = Channel(codecs.create(shape=arrays.shape[1:], **codec))
    sent = channel.transmit(torch.from_numpy(arrays))
    return np.array(sent.payload_bytes), scores(sent.feature.numpy())


def binned(sent: Sent, edges: NDArray[np.float64]) -> tuple[list[float | None], list[int]]:
    """Mean score and number of images in each bin; of an image's payloads in one bin, the middlest counts.

    Args:
        sent: For each quality, bytes and scores of all images, both ``(n,)``.
        edges: Of the bins, ascending.
    """
    sizes, scores = (np.stack(parts) for parts in zip(*sent, strict=True))  # (qualities, n)
    value: list[float | None] = []
    count: list[int] = []
    for low, high in itertools.pairwise(edges):
        inside = (low <= sizes) & (sizes < high)
        off_centre = np.where(inside, np.abs(np.log(sizes / np.sqrt(low * high))), np.inf)
        chosen = scores[off_centre.argmin(axis=0), np.arange(sizes.shape[1])][inside.any(axis=0)]
        value.append(float(chosen.mean()) if len(chosen) else None)
        count.append(len(chosen))
    return value, count


def _crossover(
    sent_input: Iterable[float | None], sent_feature: Iterable[float | None], edges: NDArray[np.float64]
) -> float | None:
    found = None
    for low, ours, theirs in zip(edges, sent_feature, sent_input, strict=False):
        if ours is None or theirs is None:
            continue
        if ours < theirs:
            found = None
        elif found is None:
            found = float(low)
    return found
