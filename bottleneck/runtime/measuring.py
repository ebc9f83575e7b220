"""Strategies measured: every way to an answer on the same images, through real bytes.

    image ──► device, timed ──► payload, counted ──► server, timed ──► output, judged

The ways take turns on each image, so that a slow moment of the machine hits all alike.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from bottleneck.channel import Channel
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.pairs import both_sides
from bottleneck.devices import device_of
from bottleneck.measure.harness import Tally
from bottleneck.measure.timing import timed
from bottleneck.runtime.device.routes import routes_of
from bottleneck.runtime.strategy import Spread, Strategy
from bottleneck.tasks import Task

_WARM_UP = 3


@dataclass(frozen=True)
class Way:
    """A strategy as it is run.

    Attributes:
        about: What the strategy says of itself: its name, its split point and so on.
        device: From an image uint8 or float `(C, H, W)` to the payload, or to the output if no server is.
        server: From the payload to the network's output; `None`: the device has it, and sends nothing.
    """

    about: Mapping[str, Any]
    device: Callable[[Tensor], Any]
    server: Callable[[bytes], Any] | None


def device_only(model: nn.Module) -> Way:
    """The whole network on the device, where the answer stays: nothing is sent."""
    where = device_of(model)
    return Way({"name": "device", "split": None}, lambda image: model(image[None].to(where)), None)


def server_only(model: nn.Module, picture: Channel, codec: Mapping[str, Any]) -> Way:
    """The image as a picture, and the whole network on the server.

    Args:
        model: The network.
        picture: Codes images; its codec is fitted.
        codec: What makes it, by name and options; tables that it was given are added.
    """
    where = device_of(model)
    tables = picture.codec.to_dict()["tables"]
    own = {**codec, "tables": tables} if tables else dict(codec)
    about = {"name": picture.name, "split": "input", "codec": own}
    return Way(
        about,
        lambda image: picture.send(image[None])[0],
        lambda payload: model(picture.receive([payload], device=where)),
    )


def shared(model: nn.Module, bundles: Sequence[tuple[Bundle, int]]) -> list[Way]:
    """Head and encoder of every bundle on the device, the rest on the server.

    Args:
        model: The network.
        bundles: Each with its number on its frontier.

    Raises:
        ValueError: If a bundle belongs to another network.
    """
    routes = routes_of([(bundle.split, point, bundle.id) for bundle, point in bundles])
    sides = both_sides([bundle for bundle, _ in bundles], model)
    return [
        Way(dataclasses.asdict(route), device, server.output)
        for route, (device, server) in zip(routes, sides, strict=True)
    ]


@torch.no_grad()
def measure(ways: Sequence[Way], samples: Iterable[tuple[Tensor, Any]], task: Task) -> list[Strategy]:
    """Run every way on every sample.

    Args:
        ways: What is measured.
        samples: Images, and targets as batches of one.
        task: Says which metric.

    Returns:
        The strategies, in the order of the ways.

    Raises:
        ValueError: If there are no samples.
    """
    samples = list(samples)
    if not samples:
        raise ValueError("There are no images to measure strategies on. Set samples to 1 or more.")
    for way in ways:
        for _ in range(_WARM_UP):
            _run(way, samples[0][0])
    tallies = [Tally(task) for _ in ways]
    rows: list[list[tuple[float, int, float]]] = [[] for _ in ways]
    for image, target in tqdm(samples, "Measuring", unit="image", disable=None):
        for way, tally, row in zip(ways, tallies, rows, strict=True):
            output, device_ms, size, server_ms = _run(way, image)
            tally.judge(output, target)
            row.append((device_ms, size, server_ms))
    return [_strategy(way, tally, row) for way, tally, row in zip(ways, tallies, rows, strict=True)]


def _run(way: Way, image: Tensor) -> tuple[Any, float, int, float]:
    """The output, the device's milliseconds, bytes, and the server's milliseconds."""
    made, device_ms = timed(way.device, image)
    if way.server is None:
        return made, device_ms, 0, 0.0
    output, server_ms = timed(way.server, made)
    return output, device_ms, 1 + len(made), server_ms  # a byte names the point


def _strategy(way: Way, tally: Tally, row: Sequence[tuple[float, int, float]]) -> Strategy:
    device_ms, payload_bytes, server_ms = (Spread(column) for column in zip(*row, strict=True))
    value = tally.values()[tally.task.metric]
    return Strategy(
        **way.about,
        device_ms=device_ms,
        payload_bytes=payload_bytes,
        server_ms=server_ms,
        value=value,
        value_interval=tally.task.interval(tally.scores(), value),
    )
