"""What a device can send, by name; a strategy as far as sending needs it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bottleneck.runtime.datagrams.packing import Packing


class Route(Protocol):
    """A route from an image to its answer, as far as sending needs it; every `Strategy` is one.

    Attributes:
        name: What records call it.
        split: The split point; `input` where a picture is sent, `None` where the device is alone.
        point: The point's id on its frontier.
        bundle: `Bundle.id`.
        codec: What makes the picture: a codec's name and options.
    """

    @property
    def name(self) -> str: ...
    @property
    def split(self) -> str | None: ...
    @property
    def point(self) -> int | None: ...
    @property
    def bundle(self) -> str | None: ...
    @property
    def codec(self) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True)
class Fixed:
    """A route that is not chosen among others, so that nobody has measured it."""

    name: str
    split: str | None
    point: int | None = None
    bundle: str | None = None
    codec: Mapping[str, Any] | None = None


ALONE = Fixed("device", None)


def picture(codec: Mapping[str, Any]) -> Fixed:
    """A route that sends pictures, with a name that follows from the codec, as `jpeg-50` does.

    Args:
        codec: Its name and options; tables that it was fitted with are none of the name.
    """
    keys = sorted(codec.keys() - {"tables"}, key=lambda key: (key != "name", key))
    return Fixed("-".join(str(codec[key]) for key in keys), "input", codec=dict(codec))


def wanted(route: Route, packing: Packing | None = None) -> dict[str, Any]:
    """What a server is asked to load for it, and how its payloads are cut; pictures never are."""
    if route.codec is not None:
        return {"codec": dict(route.codec)}
    return {"bundle": route.bundle} | ({} if packing is None else {"packing": packing.cut()})


def key_of(route: Route) -> str:
    """What tells routes apart, by whatever name: a plan and a device may give one name to two bundles."""
    return json.dumps(wanted(route), sort_keys=True)


def routes_of(points: Sequence[tuple[str, int, str]]) -> list[Fixed]:
    """A route for each (split point, point's id, bundle), by a name that no other has.

    Where several frontiers have a point of one id at one split point, each is named with its bundle, so names
    do not follow from the order.
    """
    taken = Counter((split, point) for split, point, _ in points)
    return [
        Fixed(
            f"{split}-{point}" + f"-{bundle}" * (taken[split, point] > 1),
            split,
            point,
            bundle,
        )
        for split, point, bundle in points
    ]
