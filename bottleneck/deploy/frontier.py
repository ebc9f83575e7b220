"""Variable bit rate: several operating points around one frozen network, switched from image to image.

image ──► FrontierDevice ──► id, payload ┄┄► FrontierServer ──► output

frontier/  frontier.json   the points by rising bpp, each with its bundle's SHA-256
           point-00/ ...   one bundle for each
"""

import hashlib
import math
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from bottleneck.deploy import description
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.places import found
from bottleneck.deploy.sides import Device, Server
from bottleneck.files import read_folder

_FILE, _FORMAT, _VERSION = "frontier.json", "split-bottleneck frontier", 2
_MOST_POINTS = 256  # the id is one byte


@dataclass(frozen=True)
class Point:
    """One operating point of a frontier.

    Attributes:
        id: The payload's first byte.
        bundle: Name of the bundle's folder beside `frontier.json`.
        payload_bytes: Mean payload on the validation samples, the id's byte included; `bpp` likewise.
        value: The metric on the validation samples.
        settings: How the point was trained, and what else is known of it.
    """

    id: int
    bundle: str
    bpp: float
    payload_bytes: float
    value: float
    settings: dict[str, Any] = field(default_factory=dict)


def write_frontier(folder: Path, points: list[Point], about: dict[str, Any]) -> None:
    """Write `frontier.json` into a folder that holds the bundles already.

    Args:
        folder: The frontier's folder.
        points: Operating points by rising bpp.
        about: What is to be said of the frontier as a whole.

    Raises:
        ValueError: If there are more points than one byte can name.
    """
    if len(points) > _MOST_POINTS:
        raise ValueError(f"{len(points)} points cannot be named by one byte; keep at most {_MOST_POINTS}.")
    entries = [
        {
            **asdict(point),
            "sha256": hashlib.sha256((folder / point.bundle / "bundle.json").read_bytes()).hexdigest(),
        }
        for point in points
    ]
    description.write(folder / _FILE, _FORMAT, _VERSION, {**about, "points": entries})


def read_bundles(path: Path, digest: str | None = None) -> tuple[list[Point], list[Bundle]]:
    """The operating points of a frontier, by rising bpp, or the one of a bundle.

    Args:
        path: Folder of a frontier or of a bundle.
        digest: SHA-256 of its `frontier.json` or `bundle.json`, which vouches for the rest; `None`: the
            folder is trusted.

    Returns:
        Points and their bundles; no point for a bundle alone.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a description is not the digest's, damaged, foreign, newer, or has no points, or points
            that no frontier has; or as `Bundle.read`.
    """

    def read(folder: Path) -> tuple[list[Point], list[Bundle]]:
        if not (folder / _FILE).exists():
            return [], [Bundle.read(folder, digest)]
        points, digests = _read_points(folder, digest)
        pairs = zip(points, digests, strict=True)
        return points, [Bundle.read(folder / point.bundle, sha256) for point, sha256 in pairs]

    return read_folder(path, read)


def _read_points(folder: Path, digest: str | None) -> tuple[list[Point], list[str | None]]:
    file = folder / _FILE
    content, _ = description.read(file, _FORMAT, [1, _VERSION], digest, unsealed=[1])
    with description.described_by(file):
        entries = [dict(entry) for entry in content["points"]]
        digests = [entry.pop("sha256", None) for entry in entries]
        points = [Point(**entry) for entry in entries]
    if not points:
        raise ValueError(f"{file} has no points. Let the study complete a trial first.")
    for point in points:
        _check(point, folder)
    if len({point.id for point in points}) < len(points):
        raise ValueError(f"{file} gives one id to several points: {[point.id for point in points]}.")
    if None in digests and (digest is not None or content["version"] != 1):
        raise ValueError(f"{file} does not vouch for its bundles. Let the search write it again.")
    return points, digests


def _check(point: Point, folder: Path) -> None:
    """Refuse a point that no frontier has, or whose bundle lies elsewhere."""
    numbers = (point.bpp, point.payload_bytes, point.value)
    if type(point.id) is not int or not 0 <= point.id < _MOST_POINTS:
        raise ValueError(f"{folder}: a point has the id {point.id!r:.40}, which is no byte.")
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise ValueError(f"{folder}: point {point.id} has {numbers}, which are no finite numbers.")
    if not isinstance(point.bundle, str) or not re.fullmatch(r"[\w-]+", point.bundle):
        raise ValueError(f"{folder}: point {point.id} has the bundle {point.bundle!r:.80}, no folder's name.")
    if (folder / point.bundle).resolve().parent != folder.resolve():
        raise ValueError(f"{folder}: the bundle of point {point.id} lies elsewhere.")


def numbered_bundles(path: str | Path) -> list[tuple[Bundle, int]]:
    """The bundles of a frontier, each with its point's id; a bundle's own folder is a frontier of one.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one cannot be read.
    """
    points, bundles = read_bundles(found(path))
    return list(zip(bundles, [point.id for point in points] or [0], strict=True))


def point_of(payload: bytes, known: Collection[Any]) -> int:
    """The point that a frontier's payload names.

    Args:
        payload: With the byte in front.
        known: The ids of the frontier's points.

    Raises:
        ValueError: If the payload is empty, or names another.
    """
    if not payload:
        raise ValueError("The payload is empty; its first byte should name the operating point.")
    if payload[0] not in known:
        raise ValueError(f"The payload names point {payload[0]}; this frontier has {sorted(known)}.")
    return payload[0]


class FrontierDevice:
    """The device's side of a whole frontier: one frozen head, a small unit for each point.

    Attributes:
        points: The points, by rising bpp.
        devices: Each point's own device, by the point's id; all share one head.
    """

    def __init__(self, points: list[Point], devices: list[Device]):
        self.points = points
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
            offset: How latents are rounded, as for `Device`.

        Raises:
            ValueError: If no point fits; the message says what would. If the policy is unknown, or the
                network does not classify.
        """
        if policy not in (None, "verified"):
            raise ValueError(f"policy={policy!r} is unknown. Use policy='verified', or none.")
        if point is not None and (max_bytes, min_metric, policy) != (None, None, None):
            raise ValueError("point= names one point already: leave out max_bytes=, min_metric= and policy=.")
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
        feature = self.devices[candidates[0].id].feature(image)
        kept, sizes = None, []  # from the best to the cheapest, or, to be verified, the other way round
        for candidate in candidates if policy is None else sorted(candidates, key=lambda each: each.bpp):
            device = self.devices[candidate.id]
            coded = device.encode(feature, offset)
            payload = bytes([candidate.id]) + coded
            sizes.append(len(payload))
            if max_bytes is not None and len(payload) > max_bytes:
                continue
            if policy is None or torch.equal(*device.answers(feature, coded)):
                return payload
            if kept is None or candidate.value > kept[0]:
                kept = candidate.value, payload
        if kept is not None:
            return kept[1]
        raise ValueError(
            f"max_bytes={max_bytes} is too few for this image: its smallest payload has {min(sizes)} bytes."
        )


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


def _told(points: list[Point]) -> str:
    first, last = points[0], points[-1]
    return (
        f"a frontier of {len(points)} points, from {first.payload_bytes:,.1f} bytes for {first.value:.3f} to "
        f"{last.payload_bytes:,.1f} for {last.value:.3f}"
    )
