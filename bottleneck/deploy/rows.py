"""What frontiers and bundles say of themselves: read without PyTorch and without making anything of it."""

from pathlib import Path
from typing import Any, NamedTuple

from bottleneck.deploy.places import found
from bottleneck.files import read_folder
from bottleneck.integrity import bundles, description, frontiers


class Row(NamedTuple):
    """An operating point.

    Attributes:
        point: Its number in the frontier; `None`: a bundle alone.
        result: The evaluated row at export, with the fields of `results.jsonl`; the plugin's has few of them.
        settings: How the point was trained, as the frontier says it.
    """

    point: int | None
    result: dict[str, Any]
    settings: dict[str, Any]

    @property
    def payload_bytes(self) -> float:
        """Mean payload, with the byte that names the point of a frontier."""
        return float(self.result["payload_bytes"]) + (self.point is not None)


def rows_of(path: str | Path) -> list[Row]:
    """The points of a frontier by rising bytes, or a bundle as one; `path` as `bottleneck.load` takes it.

    Raises:
        FileNotFoundError: If a description is missing.
        ValueError: If one is damaged, foreign or newer, or a bundle lies elsewhere.
    """
    return read_folder(found(path), _rows)


def _rows(folder: Path) -> list[Row]:
    if not (folder / frontiers.FILE).is_file():
        return [_row(folder)]
    content = frontiers.read(folder)
    with description.described_by(folder / frontiers.FILE):
        points = [
            (each["id"], each["bundle"], each.get("sha256"), each.get("settings"))
            for each in content["points"]
        ]
    return [
        _row(frontiers.member(folder, number, name), number, digest, settings)
        for number, name, digest, settings in points
    ]


def _row(
    folder: Path, number: int | None = None, digest: str | None = None, settings: dict[str, Any] | None = None
) -> Row:
    content = bundles.read(folder, digest)
    with description.described_by(folder / bundles.FILE):
        return Row(number, dict(content["result"]), settings or {})
