"""Where bundles and frontiers lie: in folders of their own, in those of runs and studies, and in the zoo."""

import difflib
from pathlib import Path

_ZOO = "zoo:"
_ENTRIES = Path(__file__).parent / "zoo"
_GRAPHS = "Exported graphs run without a bundle; what they were exported from is the folder of one."
_WEIGHTS = "A checkpoint is no bundle: train writes one beside it, and plugin.export makes one of it."
#: What is said of a file that somebody takes for a bundle, by its ending.
_FILES = {
    **dict.fromkeys((".onnx", ".pt2"), _GRAPHS),
    **dict.fromkeys((".ckpt", ".pt", ".pth", ".safetensors"), _WEIGHTS),
}


def found(path: str | Path) -> Path:
    """The folder of a bundle or of a frontier.

    Args:
        path: That folder; the folder of a run or a study, which holds it; or `zoo:NETWORK/NAME`.

    Raises:
        ValueError: If it is no path, a file's, or that of exported graphs, or the zoo has no such entry; the
            message has those that it has.
    """
    if not isinstance(path, (str, Path)):
        raise ValueError(
            f"{path!r:.80} is no path of a bundle or a frontier. Give one folder, or zoo:NETWORK/NAME."
        )
    if str(path).startswith(_ZOO):
        name, known = str(path).removeprefix(_ZOO), zoo_names()
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f" Did you mean {_ZOO}{near[0]}?" if near else ""
            raise ValueError(f"{path} is not in the zoo.{meant} It has {', '.join(known)}.")
        return _ENTRIES / name
    folder = Path(path).expanduser()
    if folder.is_file():
        told = f"{path} is a file. Give the folder of a bundle, a frontier, a run or a study."
        raise ValueError(f"{told} {_FILES.get(folder.suffix, '')}".strip())
    marked = [(folder, "frontier.json"), (folder, "bundle.json")]
    marked += [(folder / "frontier", "frontier.json"), (folder / "bundle", "bundle.json")]
    for place, mark in marked:
        if (place / mark).is_file():
            return place
    if (folder / "export.json").is_file():
        raise ValueError(f"{path} holds no bundle. {_GRAPHS}")
    return folder


def bundle_at(path: str | Path) -> Path:
    """The folder of one bundle; see `found`.

    Raises:
        ValueError: Also if it is a frontier; one of its points is named.
    """
    folder = found(path)
    if (points := sorted(folder.glob("point-*"))) and not (folder / "bundle.json").exists():
        raise ValueError(f"{path} is a frontier. Give one of its points, such as {points[-1]}.")
    return folder


def zoo_names() -> list[str]:
    """Every entry that the package brings along, as `NETWORK/NAME`."""
    return sorted(
        str(card.parent.relative_to(_ENTRIES).as_posix()) for card in _ENTRIES.glob("*/*/card.json")
    )
