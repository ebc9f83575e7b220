"""What describes a bundle, for whoever makes its unit and for whoever only asks what it reaches."""

from pathlib import Path
from typing import Any

from bottleneck.integrity import description

FILE = "bundle.json"
_FORMAT, _VERSION = "split-bottleneck bundle", 1
_WITH_TAIL = 2  # the version of a bundle with a tail of its own, which older releases would not load


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write a bundle's description into its folder."""
    version = _WITH_TAIL if "tail_sha256" in content else _VERSION
    description.write(folder / FILE, _FORMAT, version, content)


def read(folder: Path, digest: str | None = None) -> dict[str, Any]:
    """The content of a bundle's description; see `description.read`."""
    content, _ = description.read(folder / FILE, _FORMAT, [_VERSION, _WITH_TAIL], digest)
    return content
