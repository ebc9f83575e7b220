"""What the device computes, with PyTorch: a payload for the server, or the whole answer alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from bottleneck import codecs
from bottleneck.deploy.frontier import Point, read_bundles
from bottleneck.deploy.sides import Device, both_sides
from bottleneck.devices import device_of
from bottleneck.preprocess import prepared, preprocess
from bottleneck.runtime.answers import answer_of
from bottleneck.runtime.device.routes import Fixed, Route


class Half(Protocol):
    """What a client needs of the device.

    Attributes:
        routes: What it can send, the best first.
        network: Identity of the network's weights.
    """

    routes: Sequence[Fixed]
    network: str

    def payload(self, image: Any, route: Route) -> bytes:
        """What is sent for one image."""

    def alone(self, image: Any) -> dict[str, Any]:
        """The answer without a server."""


class TorchHalf:
    """The device's half of a frontier, or of a single bundle, around the frozen network.

    Args:
        folder: The frontier's, or the bundle's.
        network: The network that it was made for.
        top: Most classes of an answer.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file cannot be read, or belongs to another network.
    """

    def __init__(self, folder: Path, network: nn.Module, top: int = 5):
        points, bundles = read_bundles(folder)
        if not points:  # a single bundle is a frontier of one
            points = [Point(0, ".", 0.0, 0.0, 0.0)]
        sides = both_sides(bundles, network)
        self._devices: dict[str, Device] = {
            bundle.id: device for bundle, (device, _) in zip(bundles, sides, strict=True)
        }
        self.routes = routes_of(points, [(bundle.id, bundle.split) for bundle in bundles])
        self._bundle = bundles[0]
        self.network = self._bundle.network
        self._whole, self._top = network.eval(), top
        self._pictures: dict[str, codecs.Codec] = {}
        channels = self._bundle.image_shape[0]
        taken = self._bundle.preprocessing
        self._preprocess = prepared if taken is None else preprocess(**taken, channels=channels)

    def payload(self, image: Any, route: Route) -> bytes:
        """What is sent for one image.

        Raises:
            TypeError: If it is no image.
            ValueError: If it has another size than the network was split for.
        """
        if route.codec is None:
            return self._devices[route.bundle or ""](image)
        if route.name not in self._pictures:
            self._pictures[route.name] = codecs.create(shape=self._bundle.image_shape, **route.codec)
        return self._pictures[route.name].encode(self._preprocess(image).numpy())

    @torch.no_grad()
    def alone(self, image: Any) -> dict[str, Any]:
        """The answer of the whole network."""
        output = self._whole(self._preprocess(image)[None].to(device_of(self._whole)))
        output = tree_map_only(Tensor, lambda tensor: tensor.float().cpu().numpy(), output)
        return answer_of(output, self._bundle.task, self._top)


def routes_of(points: Sequence[Point], bundles: Sequence[tuple[str, str]]) -> list[Fixed]:
    """One route for each point, the best first; `bundles` are their ids and split points."""
    found = [
        (point.value, Fixed(f"{split}-{point.id}", split, point.id, name))
        for point, (name, split) in zip(points, bundles, strict=True)
    ]
    return [route for _, route in sorted(found, key=lambda pair: -pair[0])]
