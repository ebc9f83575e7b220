"""What a server can run: every point of its frontiers, any picture codec; loaded when a device asks for it.

    {"bundle": id} ──► unit, codec, tail at its cut ─┐
    {"codec": {"name": "jpeg", ...}} ──► whole network ┴──► number, which every frame carries

All tails share one network's weights. A limited number is kept, and the least recently used one leaves.
"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.codecs.image_sizes import LETTERBOXED_BYTES, Letterboxed
from bottleneck.deploy.bundle import Place
from bottleneck.deploy.frontier import numbered_bundles
from bottleneck.deploy.networks import check_network, split_network
from bottleneck.deploy.sides import Server
from bottleneck.devices import device_of
from bottleneck.runtime.datagrams.packetiser import room
from bottleneck.runtime.device.routes import Route, picture, routes_of
from bottleneck.runtime.pictures import picture_codec
from bottleneck.runtime.serving.numbers import MOST, Numbers
from bottleneck.runtime.serving.partial import PacketServer, concealment_of
from bottleneck.splitting import SplitModel, split

_Cut = tuple[Place, tuple[int, ...]]  # where a tail begins, and the shape of the images
_USED = MOST // 2  # most points that keep their numbers when all are given


class Receiver(Protocol):
    """What makes the tail's input of a payload."""

    @property
    def tail(self) -> nn.Module: ...

    def session(self) -> "Receiver": ...

    def received(self, payload: bytes) -> tuple[Tensor, dict[str, Any]]: ...

    def letterboxed(self, payload: bytes) -> Letterboxed | None: ...

    def warm_up(self) -> None: ...


class PictureServer:
    """The server's side where a picture is sent: the tail is the whole network.

    Args:
        codec: A codec of pixels.
        net: The network, split at `input`.
        letterbox: `Bundle.letterbox` of the points beside it.
    """

    def __init__(self, codec: codecs.Codec, net: SplitModel, letterbox: int | None = None):
        self._channel = Channel(codec)
        self._net = net
        self._letterbox = letterbox

    def session(self) -> Self:
        """The same: a picture knows of no earlier one."""
        return self

    @property
    def tail(self) -> nn.Module:
        return self._net.tail

    def received(self, payload: bytes) -> tuple[Tensor, dict[str, Any]]:
        """The image `(1, C, H, W)`; `Server.received` has the rest.

        Raises:
            ValueError: If the bytes are no such picture.
        """
        picture = payload if self.letterboxed(payload) is None else payload[LETTERBOXED_BYTES:]
        return self._channel.receive([picture], device=device_of(self._net)), {}

    def letterboxed(self, payload: bytes) -> Letterboxed | None:
        """See `Server.letterboxed`.

        Raises:
            ValueError: If the payload says what cannot be.
        """
        side = self._letterbox
        return None if side is None else Letterboxed.unpack(payload[:LETTERBOXED_BYTES], side)

    def warm_up(self) -> None:
        """Answer once for nobody; `Server.warm_up` has the rest."""
        side = self._letterbox
        header = b"" if side is None else Letterboxed(side, side, side).pack()
        with torch.no_grad():
            self.tail(*self.received(header + self._channel.nothing()))


class UnknownPointError(ValueError):
    """A device asked for what this server does not have."""


class Tails:
    """The points of some frontiers (or single bundles) of one network.

    Args:
        folders: The frontiers' folders.
        network: The frozen network.
        keep: Most tails that are kept in memory.
        concealment: What fills the gaps of payloads that arrive in part.

    Raises:
        FileNotFoundError: If a folder is no bundle and no frontier.
        ValueError: If there is none, or one belongs to another network, the concealment is unknown, or none
            is kept.
    """

    def __init__(
        self, folders: Sequence[Path], network: nn.Module, keep: int = 16, concealment: str = "previous"
    ):
        if not folders:
            raise ValueError("frontier= names nothing to serve. Give the folder of a frontier or a bundle.")
        if keep < 1:
            raise ValueError(f"keep={keep} keeps no tail, so each frame would load its own. Use 1 or more.")
        self._folders, self._network, self._keep = list(folders), network.eval(), keep
        self._concealment = concealment_of(concealment)
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, tuple[Receiver, float]] = OrderedDict()  # and a frame's seconds
        self._nets: WeakValueDictionary[_Cut, SplitModel] = WeakValueDictionary()
        self._numbers = Numbers()
        self.reload()

    def reload(self) -> None:
        """Read the frontiers anew; tails that are loaded stay.

        Raises:
            FileNotFoundError: If a folder is no bundle and no frontier.
            ValueError: If one cannot be read, or belongs to another network; the old ones are served on.
        """
        stamps = self._now_written()  # what is written while it is read is read again
        found = [pair for folder in self._folders for pair in numbered_bundles(folder)]
        for bundle, _ in found:
            check_network(bundle, self._network)
        routes = routes_of([(bundle.split, point, bundle.id) for bundle, point in found])
        self._bundles, self._stamps = {bundle.id: bundle for bundle, _ in found}, stamps
        self._routes = {route.bundle: route for route in routes}

    def has_changed(self) -> bool:
        """Whether a frontier was written since it was read."""
        return self._now_written() != self._stamps

    @property
    def generation(self) -> int:
        """Counts how often numbers were taken back: a device that was told some before has to ask again."""
        return self._numbers.generation

    @property
    def task(self) -> str:
        """What the network is for."""
        return next(iter(self._bundles.values())).task

    def describe(self) -> dict[str, Any]:
        """What a device has to know before it sends anything."""
        return {
            "network": next(iter(self._bundles.values())).network,  # whatever precision it runs in here
            "task": self.task,
            "bundles": {bundle.id: bundle.split for bundle in self._bundles.values()},
        }

    def number(self, wanted: Mapping[str, Any]) -> tuple[int, float]:
        """Load what a device is going to send to.

        Args:
            wanted: `{"bundle": id}`, with `packing` where its payloads come in packets, or
                `{"codec": options}` with a picture codec's name and options.

        Returns:
            What its frames call it from then on, and the seconds that one of them takes here.

        Raises:
            UnknownPointError: If there is no such bundle or codec; the message says what there is.
        """
        key = json.dumps(wanted, sort_keys=True)
        _, seconds = self._ready(key)
        with self._lock:
            return self._numbers.of(key, list(self._loaded)[-_USED:]), seconds

    def route(self, number: int) -> Route | None:
        """What frames of this number come by, as a device with these frontiers names it; `None`: unknown."""
        with self._lock:
            key = self._numbers.key(number)
        match None if key is None else json.loads(key):
            case {"bundle": str(name)} if name in self._routes:
                return self._routes[name]
            case {"codec": {"name": str()} as codec}:
                return picture(codec)
        return None

    def receiver(self, number: int) -> Receiver:
        """What runs the point of this number.

        Raises:
            UnknownPointError: If `number` gave no such number, or a new frontier is without that point.
        """
        with self._lock:
            key = self._numbers.key(number)
        if key is None:
            raise UnknownPointError(
                f"point {number} was never asked for. Call Switch on this connection first."
            )
        return self._ready(key)[0]

    def _ready(self, key: str) -> tuple[Receiver, float]:
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
                return self._loaded[key]
        receiver = self._load(json.loads(key))  # takes its time, so others are not kept waiting
        receiver.warm_up()
        started = time.perf_counter()
        receiver.warm_up()
        ready = receiver, time.perf_counter() - started
        with self._lock:
            self._loaded[key] = ready
            while len(self._loaded) > self._keep:
                self._loaded.popitem(last=False)
        return ready

    def _load(self, wanted: Mapping[str, Any]) -> Receiver:
        match wanted:
            case {"bundle": str(name), **others} if name in self._bundles:
                bundle = self._bundles[name]
                bundle.unit.to(device_of(self._network))
                cut = (bundle.place, bundle.image_shape)
                server = Server(bundle, self._net(cut, lambda: split_network(bundle, self._network)))
                return server if "packing" not in others else self._in_packets(server, others["packing"])
            case {"codec": {"name": str(name), **options}}:
                return self._picture(name, {str(key): value for key, value in options.items()})
        raise UnknownPointError(
            f"{json.dumps(wanted)} is nothing that this server can run. It has the bundles "
            f"{sorted(self._bundles)} and picture codecs; serve the same frontier that the device has."
        )

    def _in_packets(self, server: Server, packing: Any) -> Receiver:
        try:
            packed = server.in_packets(str(packing["by"]), room(int(packing["mtu"])))
        except (KeyError, TypeError, ValueError) as error:
            raise UnknownPointError(f"payloads cannot be cut as in {packing}: {error}") from error
        return packed if packed.bundle is server.bundle else PacketServer(packed, self._concealment)

    def _picture(self, name: str, options: Mapping[str, Any]) -> PictureServer:
        bundle = next(iter(self._bundles.values()))
        try:
            codec = picture_codec({"name": name, **options}, bundle.image_shape)
        except (TypeError, ValueError, ModuleNotFoundError) as error:
            raise UnknownPointError(f"codec {name!r} cannot be made here: {error}") from error
        example = torch.zeros(1, *bundle.image_shape, dtype=torch.uint8, device=device_of(self._network))
        cut = (("input", False, None), bundle.image_shape)
        net = self._net(cut, lambda: split(self._network, "input", example).freeze())
        return PictureServer(codec, net, bundle.letterbox)

    def _net(self, cut: _Cut, make: Callable[[], SplitModel]) -> SplitModel:
        """The network at a cut, which lives as long as a tail that is kept uses it."""
        with self._lock:
            net = self._nets.get(cut)
        if net is None:
            net = make()
            with self._lock:
                self._nets[cut] = net
        return net

    def _now_written(self) -> list[int]:
        files = [file for folder in self._folders for file in sorted(folder.glob("*.json"))]
        return [file.stat().st_mtime_ns for file in files]
