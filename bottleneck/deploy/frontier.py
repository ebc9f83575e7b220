"""Several operating points around one frozen network, as a folder; `switching.py` has both sides of it.

frontier/  frontier.json          the points by rising bpp, each with its bundle's SHA-256
           point-00/ ...          one bundle for each
           weights/               what several of them share: those of one unit at several rates
           hardness.safetensors   which image deserves which point, where that was learned
"""

import hashlib
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load, save

from bottleneck.deploy.bundle import SHARED, WEIGHTS, Bundle
from bottleneck.deploy.fields import is_number
from bottleneck.deploy.hardness import Hardness
from bottleneck.deploy.places import found
from bottleneck.files import read_folder, replace_folder
from bottleneck.integrity import description, frontiers

_HARDNESS = "hardness.safetensors"
_MOST_HARDNESS = 1 << 26  # bytes of it
_MOST_POINTS = 256  # the id is one byte
_OWN = ("format", "version", "checksum", "points", "hardness")  # keys of frontier.json that it writes itself
FRONTIER_FILES = (frontiers.FILE, _HARDNESS, SHARED, "point-*")  # names that a frontier's folder has


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


def write_frontier(
    folder: Path, points: list[Point], about: dict[str, Any], hardness: Hardness | None = None
) -> None:
    """Write `frontier.json` into a folder that holds the bundles already; equal weights become one file.

    Args:
        folder: The frontier's folder.
        points: Operating points by rising bpp.
        about: What is to be said of the frontier as a whole.
        hardness: Which image deserves which point; `None`: that was not learned.

    Raises:
        ValueError: If there are more points than one byte can name.
    """
    if len(points) > _MOST_POINTS:
        raise ValueError(f"{len(points)} points cannot be named by one byte; keep at most {_MOST_POINTS}.")
    _share_weights(folder)
    entries = [
        {
            **asdict(point),
            "sha256": hashlib.sha256((folder / point.bundle / "bundle.json").read_bytes()).hexdigest(),
        }
        for point in points
    ]
    if hardness is not None:
        data = save(hardness.tensors())
        (folder / _HARDNESS).write_bytes(data)
        about = {**about, "hardness": hashlib.sha256(data).hexdigest()}
    frontiers.write(folder, {**about, "points": entries})


def _share_weights(folder: Path) -> None:
    """Keep one file of weights for the bundles in a folder that have the same ones."""
    having: dict[str, list[Path]] = {}
    for file in sorted(folder.glob(f"*/{WEIGHTS}")):
        having.setdefault(hashlib.sha256(file.read_bytes()).hexdigest(), []).append(file)
    for sha256, files in having.items():
        if len(files) > 1:
            (folder / SHARED).mkdir(exist_ok=True)
            files[0].rename(folder / SHARED / f"{sha256}.safetensors")
            for other in files[1:]:
                other.unlink()


def with_hardness(path: Path, hardness: Hardness, into: Path) -> None:
    """Write a frontier again, which then knows which image deserves which point.

    Args:
        path: The frontier.
        hardness: Fitted for its points, in their order.
        into: The new one's folder; what is there is replaced.
    """
    with replace_folder(into, *FRONTIER_FILES) as fresh:

        def copied(folder: Path) -> tuple[list[Point], dict[str, Any]]:
            content = frontiers.read(folder)
            points, _, _ = _parts(folder, content, None)
            for name in [*(point.bundle for point in points), SHARED]:
                shutil.rmtree(fresh / name, ignore_errors=True)  # of a state that was replaced meanwhile
                if (folder / name).is_dir():
                    shutil.copytree(folder / name, fresh / name)
            return points, {key: value for key, value in content.items() if key not in _OWN}

        points, about = read_folder(path, copied)
        write_frontier(fresh, points, about, hardness)


def read_frontier(path: Path, digest: str | None = None) -> tuple[list[Point], list[Bundle], Hardness | None]:
    """A frontier, or a bundle, at one moment.

    Args:
        path: Folder of a frontier or of a bundle.
        digest: SHA-256 of its `frontier.json` or `bundle.json`, which vouches for the rest; `None`: the
            folder is trusted.

    Returns:
        The operating points by rising bpp, none for a bundle alone; their bundles; and which image deserves
        which point, where that was learned.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a description is not the digest's, damaged, foreign, newer, or has no points, or points
            that no frontier has; or as `Bundle.read`.
    """
    return read_folder(path, lambda folder: _read(folder, digest))


def read_bundles(path: Path, digest: str | None = None) -> tuple[list[Point], list[Bundle]]:
    """Points and bundles alone; see `read_frontier`."""
    points, bundles, _ = read_frontier(path, digest)
    return points, bundles


def _read(folder: Path, digest: str | None) -> tuple[list[Point], list[Bundle], Hardness | None]:
    if not (folder / frontiers.FILE).exists():
        return [], [Bundle.read(folder, digest)], None
    return _parts(folder, frontiers.read(folder, digest), digest)


def _parts(
    folder: Path, content: dict[str, Any], digest: str | None
) -> tuple[list[Point], list[Bundle], Hardness | None]:
    points, digests = _points(folder, content, digest)
    pairs = zip(points, digests, strict=True)
    bundles = [Bundle.read(folder / point.bundle, sha256) for point, sha256 in pairs]
    return points, bundles, _hardness(folder, content, len(points))


def _hardness(folder: Path, content: dict[str, Any], n_points: int) -> Hardness | None:
    if (expected := content.get("hardness")) is None:
        return None
    file = folder / _HARDNESS
    if file.stat().st_size > _MOST_HARDNESS:
        raise ValueError(f"{file} is larger than any.")
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != expected:
        raise ValueError(
            f"{file} is not the one that {frontiers.FILE} names. Let evaluate.py write it again."
        )
    with description.described_by(file):
        return Hardness.of(load(data), n_points)


def _points(
    folder: Path, content: dict[str, Any], digest: str | None
) -> tuple[list[Point], list[str | None]]:
    file = folder / frontiers.FILE
    with description.described_by(file):
        entries = [dict(entry) for entry in content["points"]]
        digests = [entry.pop("sha256", None) for entry in entries]
        points = [Point(**entry) for entry in entries]
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
    if not all(map(is_number, numbers)):
        raise ValueError(f"{folder}: point {point.id} has {numbers}, which are no finite numbers.")
    frontiers.member(folder, point.id, point.bundle)


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
