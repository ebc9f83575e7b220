"""`benchmarks/zoo.py` does on little what it says it does."""

import json

import pytest

from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import Point, read_bundles, write_frontier


def test_zoo_makes_an_entry_of_a_runs_folder(run, digits_bundle, tmp_path):
    """The bundle is copied beside a card with the command that Hydra kept; without one it has to be said.

    Where the network's weights lay is nobody's business.
    """
    made = tmp_path / "run"
    bundle = Bundle.read(digits_bundle)
    bundle.model = {"name": "digits_resnet", "weights": "/home/me/digits.safetensors"}
    bundle.save(made / "bundle")
    about = ("digits/mine", made, "--data", "digits", "--licence", "MIT", "--folder", tmp_path / "zoo")
    with pytest.raises(FileNotFoundError, match="Give --command"):
        run("zoo", *about)
    (made / ".hydra").mkdir()
    (made / ".hydra" / "hydra.yaml").write_text(
        "hydra: {job: {config_name: train}, overrides: {task: [alpha=3, unit.step=1]}}"
    )
    assert "1 points" in run("zoo", *about)
    card = json.loads((tmp_path / "zoo" / "digits" / "mine" / "card.json").read_text())
    assert card == {"data": "digits", "licence": "MIT", "command": "bottleneck train alpha=3 unit.step=1"}
    entry = Bundle.read(tmp_path / "zoo" / "digits" / "mine")
    assert entry.id == bundle.id
    assert entry.model["weights"] == "digits.safetensors"


def test_zoo_leaves_out_points_that_others_beat(run, digits_bundle, tmp_path):
    """What is beaten on the validation images goes, with its bundle; the rest keeps its numbers and loads."""
    bundle, made = Bundle.read(digits_bundle), tmp_path / "study" / "frontier"
    bundle.model = {"name": "digits_resnet", "weights": "/home/me/digits.safetensors"}
    found_at = [(2.0, 0.7), (3.0, 0.9), (4.0, 0.8), (5.0, 0.9), (6.0, 0.95)]
    points = [
        Point(number, f"point-{number:02}", size / 8, size, value)
        for number, (size, value) in enumerate(found_at)
    ]
    for point in points:
        bundle.save(made / point.bundle)
    write_frontier(made, points, {"metric": "accuracy_top1"})
    zoo = tmp_path / "zoo"
    about = ("--data", "digits", "--licence", "MIT", "--command", "bottleneck search", "--folder", zoo)
    assert "3 points" in run("zoo", "digits/mine", tmp_path / "study", *about)
    kept, _ = read_bundles(zoo / "digits" / "mine")
    assert [point.id for point in kept] == [0, 1, 4]
    assert {folder.name for folder in (zoo / "digits" / "mine").glob("point-*")} == {p.bundle for p in kept}
