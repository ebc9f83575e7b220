"""What describes a frontier, for the server that has PyTorch and for the device that has none."""

import re
from pathlib import Path
from typing import Any

from bottleneck.integrity import description

FILE = "frontier.json"
_FORMAT, _VERSION = "split-bottleneck frontier", 2
_UNSEALED = 1  # that version had no checksum


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write a frontier's description into its folder."""
    description.write(folder / FILE, _FORMAT, _VERSION, content)


def read(folder: Path, digest: str | None = None) -> dict[str, Any]:
    """The content of a frontier's description; see `description.read`.

    Raises:
        ValueError: Also if it has no points.
    """
    content, _ = description.read(folder / FILE, _FORMAT, [_UNSEALED, _VERSION], digest, unsealed=[_UNSEALED])
    if content.get("points") == []:
        raise ValueError(f"{folder / FILE} has no points. Let the study complete a trial first.")
    return content


def member(folder: Path, number: Any, name: Any) -> Path:
    """The folder of a point's bundle.

    Args:
        folder: The frontier's.
        number: The point's.
        name: The bundle's, as the description says it.

    Raises:
        ValueError: If it is no name, or leads out of the frontier.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[\w-]+", name):
        raise ValueError(f"{folder}: point {number} names the bundle {name!r:.80}, no folder's name.")
    if (folder / name).resolve().parent != folder.resolve():
        raise ValueError(f"{folder}: of point {number} the bundle {name} lies elsewhere.")
    return folder / name
