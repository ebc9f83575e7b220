"""What the device computes, with PyTorch: a payload for the server, or the whole answer alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from bottleneck import codecs
from bottleneck.deploy.frontier import numbered_bundles
from bottleneck.deploy.pairs import both_sides
from bottleneck.deploy.sides import Device
from bottleneck.devices import device_of
from bottleneck.identity import precision
from bottleneck.preprocess import prepared, preprocess
from bottleneck.runtime.answers import answer_of, require_top
from bottleneck.runtime.datagrams.packetiser import room
from bottleneck.runtime.datagrams.packing import Packing
from bottleneck.runtime.device.routes import Route, key_of, routes_of
from bottleneck.runtime.pictures import picture_codec


class TorchHalf:
    """The device's half of frontiers, or of single bundles, around the frozen network.

    Args:
        folders: Of frontiers or bundles.
        network: The network that it was made for.
        top: Most classes of an answer.
        packing: How payloads are cut; `None`: they are not.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file cannot be read, or belongs to another network, or `top` names no class.
    """

    def __init__(
        self, folders: Sequence[Path], network: nn.Module, top: int = 5, packing: Packing | None = None
    ):
        require_top(top)
        numbered = [pair for folder in folders for pair in numbered_bundles(folder)]
        bundles = [bundle for bundle, _ in numbered]
        self._devices: dict[str, Device] = {
            device.bundle.id: device if packing is None else device.in_packets(packing.by, room(packing.mtu))
            for device, _ in both_sides(bundles, network)
        }
        self.packing = packing
        numbered.sort(key=lambda pair: -pair[0].result.get("value", 0.0))
        self.routes = routes_of([(bundle.split, point, bundle.id) for bundle, point in numbered])
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
            ValueError: If it has another size than the network was split for, or the route is no bundle here.
        """
        if route.codec is None:
            return self._device(route)(image)
        if (key := key_of(route)) not in self._pictures:
            self._pictures[key] = picture_codec(route.codec, self._bundle.image_shape)
        size = self._bundle.letterboxed(image)
        picture = self._pictures[key].encode(self._preprocess(image).numpy())
        return picture if size is None else size.pack() + picture

    def packets(self, payload: bytes, route: Route) -> list[bytes]:
        """What a payload is made of: packets that are of use alone, or itself; a picture is one piece."""
        return [payload] if route.codec is not None else self._device(route).packets(payload)

    def refresh(self, route: Route) -> None:
        """Have the next payload of a route build on none before it; pictures never do."""
        if route.codec is None:
            self._device(route).refresh()

    @torch.no_grad()
    def alone(self, image: Any) -> dict[str, Any]:
        """The answer of the whole network."""
        pixels = self._preprocess(image)[None].to(device_of(self._whole))
        output = self._whole(pixels.to(precision(self._whole)) if pixels.is_floating_point() else pixels)
        output = tree_map_only(Tensor, lambda tensor: tensor.float().cpu().numpy(), output)
        return answer_of(output, self._bundle.task, self._top, self._bundle.letterboxed(image))

    def value(self, route: Route) -> float:
        """What the bundles say of their metric, and of the whole network's."""
        if route.split is None:
            return float(self._bundle.result.get("baseline") or 0.0)
        return float(self._device(route).bundle.result.get("value") or 0.0)

    def _device(self, route: Route) -> Device:
        if route.bundle not in self._devices:
            raise ValueError(
                f"{route.name} is bundle {route.bundle}, which this device does not have. It has "
                f"{sorted(self._devices)}; make the plan for the frontier that the device has."
            )
        return self._devices[route.bundle]
