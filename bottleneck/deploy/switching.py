"""Variable bit rate: the operating points of a frontier, switched from image to image.

image ──► FrontierDevice ──► id, payload ┄┄► FrontierServer ──► output
"""

from typing import Any

import torch
from torch import Tensor

from bottleneck.deploy.bundle import Place
from bottleneck.deploy.frontier import Point, point_of
from bottleneck.deploy.hardness import Hardness, grid_means
from bottleneck.deploy.sides import Device, Server


class FrontierDevice:
    """The device's side of a whole frontier: one frozen head, a small unit for each point.

    Attributes:
        points: The points, by rising bpp.
        devices: Each point's own device, by the point's id; all share one head.
        hardness: Which image deserves which point; `None`: that was not learned.
    """

    def __init__(self, points: list[Point], devices: list[Device], hardness: Hardness | None = None):
        self.points, self.hardness = points, hardness
        self.devices = {point.id: device for point, device in zip(points, devices, strict=True)}

    def __repr__(self) -> str:
        return f"Device of {_told(self.points)}"

    def __call__(
        self,
        image: Any,
        *,
        point: int | None = None,
        max_bytes: int | None = None,
        min_metric: float | None = None,
        policy: str | None = None,
        mean_bytes: float | None = None,
        offset: float | None = None,
    ) -> bytes:
        """The payload of one image; its first byte names the point, so the server needs nothing else.

        Args:
            image: As `Device` takes it.
            point: Use the point of this id.
            max_bytes: Use the best point whose payload for this very image has no more bytes.
            min_metric: Use the cheapest point that reached this metric; with `max_bytes`, consider
                only points that did.
            policy: `verified` tries the points from the cheapest and takes the first whose answer is the
                network's own, which the device computes too: decoder and tail for each point that it tries.
                The best point where none agrees. With `max_bytes` or `min_metric`, of those that keep to it.
                `adaptive` takes a better point for an image that looks harder by what the head makes of it.
            mean_bytes: What `adaptive` spends on average, of images like those that it was calibrated on.
            offset: How latents are rounded, as for `Device`.

        Raises:
            ValueError: If no point fits; the message says what would. If the policy is unknown, or the
                network does not classify, or the frontier has not learned which images are hard.
        """
        if policy not in (None, "verified", "adaptive"):
            raise ValueError(f"policy={policy!r} is unknown. Use 'verified' or 'adaptive', or none.")
        if point is not None and (max_bytes, min_metric, policy) != (None, None, None):
            raise ValueError("point= names one point already: leave out max_bytes=, min_metric= and policy=.")
        if (policy == "adaptive") != (mean_bytes is not None):
            raise ValueError("policy='adaptive' and mean_bytes= go together. Give both or neither.")
        if mean_bytes is not None:
            if (max_bytes, min_metric) != (None, None):
                raise ValueError(
                    "policy='adaptive' keeps to mean_bytes=: leave out max_bytes= and min_metric=."
                )
            return self._adaptive(image, mean_bytes, offset)
        candidates = sorted(self.points, key=lambda candidate: candidate.value, reverse=True)
        if point is not None:
            candidates = [candidate for candidate in candidates if candidate.id == point]
            if not candidates:
                known = [candidate.id for candidate in self.points]
                raise ValueError(f"point={point} is not on this frontier. It has {known}.")
        if min_metric is not None:
            best = candidates[0].value
            candidates = [candidate for candidate in candidates if candidate.value >= min_metric]
            if not candidates:
                raise ValueError(f"min_metric={min_metric} is not reached; the best point has {best:.4f}.")
            if max_bytes is None and policy is None:
                candidates = [min(candidates, key=lambda candidate: candidate.bpp)]
        heads = _Heads(image)
        sent, kept = None, None  # what goes, and the best of what may go if nothing agrees
        tried: list[tuple[Device, bytes]] = []  # from the best to the cheapest, or the other way round
        for candidate in candidates if policy is None else sorted(candidates, key=lambda each: each.bpp):
            device = self.devices[candidate.id]
            feature = heads.of(device)
            coded = device.encode(feature, offset)
            tried.append((device, bytes([candidate.id]) + coded))
            if max_bytes is not None and 1 + len(coded) > max_bytes:
                continue
            if policy is None or torch.equal(*device.answers(feature, coded)):
                sent = tried[-1]
                break
            if kept is None or candidate.value > kept[0]:
                kept = candidate.value, tried[-1]
        if sent is None and kept is not None:
            sent = kept[1]
        for device, payload in tried:
            if sent is None or payload is not sent[1]:
                device.refresh()  # the server never sees it, so nothing may build on it
        if sent is None:
            least = min(len(payload) for _, payload in tried)
            raise ValueError(
                f"max_bytes={max_bytes} is too few for this image: its smallest payload has {least} bytes."
            )
        return sent[1]

    def _adaptive(self, image: Any, mean_bytes: float, offset: float | None) -> bytes:
        if self.hardness is None:
            raise ValueError(
                "this frontier has not learned which images are hard. `python evaluate.py bundles=[FRONTIER] "
                "adaptive.mean_bytes=[8]` writes one that has."
            )
        device, heads = self.devices[self.points[0].id], _Heads(image)
        means = grid_means(heads.of(device)[0], device.layout)
        (place,) = self.hardness.choose(means, mean_bytes)
        chosen = self.points[place].id
        return bytes([chosen]) + self.devices[chosen].encode(heads.of(self.devices[chosen]), offset)


class FrontierServer:
    """The server's side of a whole frontier."""

    def __init__(self, points: list[Point], servers: list[Server]):
        self.points = points
        self._servers = {point.id: server for point, server in zip(points, servers, strict=True)}

    def __repr__(self) -> str:
        return f"Server of {_told(self.points)}"

    def __call__(self, payload: bytes) -> Any:
        """The answer for one image, as `Server` gives it.

        Raises:
            ValueError: If the first byte names no point, or the rest cannot be its payload.
        """
        return self._servers[point_of(payload, self._servers)](payload[1:])


class _Heads:
    """What the head gives of one image, once for all points of one cut."""

    def __init__(self, image: Any):
        self._image = image
        self._known: dict[Place, tuple[Tensor, bytes]] = {}

    def of(self, device: Device) -> tuple[Tensor, bytes]:
        place = device.bundle.place
        if place not in self._known:
            self._known[place] = device.feature(self._image)
        return self._known[place]


def _told(points: list[Point]) -> str:
    first, last = points[0], points[-1]
    return (
        f"a frontier of {len(points)} points, from {first.payload_bytes:,.1f} bytes for {first.value:.3f} to "
        f"{last.payload_bytes:,.1f} for {last.value:.3f}"
    )
