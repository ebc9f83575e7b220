"""Make an entry of the zoo of what a run or a study has written.

    python benchmarks/zoo.py digits/default studies/NAME --data "handwritten digits" --licence "MIT"

The entry is then `bottleneck.load("zoo:digits/default")`, and travels in the wheel. The command that trained
it is read from the run's folder (the latest run of a study), where Hydra keeps it; `--command` says another.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from benchmarks.shared import parser
from bottleneck.deploy import zoo
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import read_bundles
from bottleneck.deploy.places import found


def main(arguments: Sequence[str] | None = None) -> None:
    """Check what is there, copy it, write its card, and print the entry."""
    options = parser(__doc__)
    options.add_argument("name", help="NETWORK/NAME")
    options.add_argument("path", type=Path, help="folder of a run, a study, a bundle or a frontier")
    options.add_argument("--data", required=True, help="what it was trained on")
    options.add_argument("--licence", required=True, help="of the unit and of the data, in words")
    options.add_argument("--command", help="how to train it again; none: as the run's folder says")
    options.add_argument("--folder", type=Path, default=Path(zoo.__file__).parent, help="another zoo")
    given = options.parse_args(arguments)
    source = found(given.path)
    read_bundles(source)  # refuses what is damaged
    card = {
        "data": given.data,
        "licence": given.licence,
        "command": given.command or command_of(given.path),
    }
    entry = given.folder / given.name
    shutil.rmtree(entry, ignore_errors=True)
    shutil.copytree(source, entry, ignore=shutil.ignore_patterns(".*"))
    for file in entry.rglob("bundle.json"):
        nowhere(file.parent)
    (entry / "card.json").write_text(json.dumps(card, indent=1) + "\n", "utf-8")
    for file in entry.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)
    _, bundles = read_bundles(entry)
    size = sum(file.stat().st_size for file in entry.rglob("*") if file.is_file())
    print(f"{entry}: {len(bundles)} points, {size:,} bytes")
    for bundle in bundles:
        print(f"  {bundle}")


def nowhere(folder: Path) -> None:
    """Leave no more of the place of a network's weights in a bundle than the file's name."""
    bundle = Bundle.read(folder)
    weights = str(bundle.model.get("weights"))
    if "/" in weights:
        bundle.model = {**bundle.model, "weights": Path(weights).name}
        bundle.save(folder)


def command_of(path: Path) -> str:
    """The command that wrote a folder.

    Raises:
        FileNotFoundError: If Hydra has left nothing there.
    """
    kept = sorted(path.glob("**/.hydra/hydra.yaml"))
    if not kept:
        raise FileNotFoundError(f"{path} does not say how it was made. Give --command.")
    hydra = OmegaConf.load(kept[-1]).hydra
    return " ".join(["bottleneck", hydra.job.config_name, *hydra.overrides.task])


if __name__ == "__main__":
    main()
