"""What `bottleneck export` wrote, read without PyTorch and only as it was written."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bottleneck.files import read_folder
from bottleneck.integrity import description, frontiers


@dataclass(frozen=True)
class Export:
    """An exported operating point.

    Attributes:
        folder: Where its graphs are.
        about: What `export.json` says of it.
        point: Its number in the frontier, 0 of a bundle alone.
        value: What the frontier says of its metric, 0 of a bundle alone.
    """

    folder: Path
    about: dict[str, Any]
    point: int = 0
    value: float = 0.0

    def graph(self, half: str) -> bytes:
        """The ONNX graph of a half, `device` or `server`.

        Raises:
            FileNotFoundError: If it was exported for another target.
            ValueError: If it is not the one that `export.json` names.
        """
        file = self.folder / f"{half}.onnx"
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing. Export it again, with target=onnx.")
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.about["sha256"].get(file.name):
            raise ValueError(f"{file} is not the one that export.json names (SHA-256). Export it again.")
        return data


def exports_in(folder: Path) -> list[Export]:
    """The exported points of a folder, in the frontier's order.

    Args:
        folder: What `bottleneck export` wrote, or a frontier or a bundle with such an `onnx/` in each bundle.

    Raises:
        FileNotFoundError: If nothing was exported there.
        ValueError: If a description is changed, foreign, or of another release, or a bundle lies elsewhere.
    """

    def read(now: Path) -> list[Export]:
        if (now / "export.json").is_file():
            return [Export(folder, _described(now))]
        if not (now / frontiers.FILE).is_file():
            return [Export(folder / "onnx", _described(now / "onnx"))]
        content = frontiers.read(now)
        with description.described_by(now / frontiers.FILE):
            points = [(point["bundle"], point["id"], point["value"]) for point in content["points"]]
        exports = []
        for bundle, number, value in points:
            about = _described(frontiers.member(now, number, bundle) / "onnx")
            exports.append(Export(folder / bundle / "onnx", about, number, value))
        return exports

    return read_folder(folder, read)


def _described(folder: Path) -> dict[str, Any]:
    file = folder / "export.json"
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing. Run `bottleneck export bundle={folder.parent}` first.")
    about, _ = description.read(file, "split-bottleneck export", [1])
    if missing := {"split", "network", "task", "sha256"} - set(about):
        raise ValueError(f"{file} has no {sorted(missing)}; it is of an older release. Export it again.")
    if "letterbox" not in about:  # older exports leave it to whoever knows what such detectors take
        side = (about.get("preprocessing") or {}).get("letterbox")
        about["letterbox"] = side if about["task"] == "single_stage" else None
    return about
