"""Make an entry of the zoo of what a run or a study has written.

    python benchmarks/zoo.py digits/default studies/NAME --data "handwritten digits" --licence "MIT"

The entry is then `bottleneck.load("zoo:digits/default")`, and travels in the wheel. Points of a frontier that
another one beats on the validation images are left out; the others keep their numbers. The command that
trained it is read from the run's folder (the latest run of a study), where Hydra keeps it; `--command` says
another.
"""

import hashlib
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
from bottleneck.integrity import frontiers
from bottleneck.measure import pareto


def main(arguments: Sequence[str] | None = None) -> None:
    """Check what is there, copy it, write its card, and print the entry."""
    options = parser(__doc__)
    options.add_argument("name", help="NETWORK/NAME")
    options.add_argument("path", type=Path, help="folder of a run, a study, a bundle or a frontier")
    options.add_argument("--data", required=True, help="what it was trained on")
    options.add_argument("--licence", required=True, help="of the unit and of the data, in words")
    options.add_argument("--weights", help="whose weights the network has, if no package has them")
    options.add_argument("--command", help="how to train it again; none: as the run's folder says")
    options.add_argument("--folder", type=Path, default=Path(zoo.__file__).parent, help="another zoo")
    given = options.parse_args(arguments)
    source = found(given.path)
    read_bundles(source)  # refuses what is damaged
    card = {
        **({"weights": given.weights} if given.weights else {}),
        "data": given.data,
        "licence": given.licence,
        "command": given.command or command_of(given.path),
    }
    entry = given.folder / given.name
    shutil.rmtree(entry, ignore_errors=True)
    shutil.copytree(source, entry, ignore=shutil.ignore_patterns(".*"))
    for file in entry.rglob("bundle.json"):
        nowhere(file.parent)
    if (entry / frontiers.FILE).exists():
        leave_out_beaten(entry)
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


def leave_out_beaten(entry: Path) -> None:
    """Keep those points of a frontier that no other one beats on the validation images.

    A study has chosen them on others, where they may have looked better.

    Raises:
        ValueError: If the frontier knows which image deserves which point: of all points, not of these.
    """
    content = frontiers.read(entry)
    points = content["points"]
    sizes, values = zip(*((point["payload_bytes"], point["value"]) for point in points), strict=True)
    kept = [points[index] for index in pareto.frontier(sizes, values)]
    if len(kept) < len(points) and "hardness" in content:
        raise ValueError(
            f"{entry}: some points are beaten by others, and what it knows of hard images is of all "
            "of them. Make the entry of the frontier that evaluate.py was given."
        )
    for point in points:
        if point not in kept:
            shutil.rmtree(entry / point["bundle"])
    for point in kept:  # `nowhere` may have written it again
        written = (entry / point["bundle"] / "bundle.json").read_bytes()
        point["sha256"] = hashlib.sha256(written).hexdigest()
    frontiers.write(entry, {**content, "points": kept})


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
