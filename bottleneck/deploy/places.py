"""Where bundles and frontiers lie: in folders of their own, in those of runs and studies, and in the zoo."""

import difflib
from pathlib import Path

_ZOO = "zoo:"
_ENTRIES = Path(__file__).parent / "zoo"


def found(path: str | Path) -> Path:
    """The folder of a bundle or of a frontier.

    Args:
        path: That folder; the folder of a run or a study, which holds it; or `zoo:NETWORK/NAME`.

    Raises:
        ValueError: If it is no path or a file's, or the zoo has no such entry; the message has those that
            it has.
    """
    if not isinstance(path, (str, Path)):
        raise ValueError(
            f"{path} is no path of a bundle or a frontier. Give one folder, or zoo:NETWORK/NAME."
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
        raise ValueError(f"{path} is a file. Give the folder of a bundle, a frontier, a run or a study.")
    marked = [(folder, "frontier.json"), (folder, "bundle.json")]
    marked += [(folder / "frontier", "frontier.json"), (folder / "bundle", "bundle.json")]
    return next((place for place, mark in marked if (place / mark).is_file()), folder)


def zoo_names() -> list[str]:
    """Every entry that the package brings along, as `NETWORK/NAME`."""
    return sorted(
        str(card.parent.relative_to(_ENTRIES).as_posix()) for card in _ENTRIES.glob("*/*/card.json")
    )
