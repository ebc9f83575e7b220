"""Bundles and frontiers are found where people point at."""

import shutil

import numpy as np
import pytest

import bottleneck
from bottleneck.deploy.places import found, zoo_names
from bottleneck.measure import pareto


def test_a_runs_folder_stands_for_its_bundle(bundle_folder, tmp_path):
    """The folder of a bundle and that of the run around it are the same place."""
    shutil.copytree(bundle_folder, tmp_path / "run" / "bundle")
    assert found(tmp_path / "run") == found(tmp_path / "run" / "bundle") == tmp_path / "run" / "bundle"
    assert found(tmp_path / "nowhere") == tmp_path / "nowhere"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bundle.json", "a run or a study.$"),
        ("device.onnx", "Exported graphs run without a bundle"),
        ("server.pt2", "what they were exported from is the folder of one"),
        ("last.ckpt", "A checkpoint is no bundle: train writes one beside it"),
        ("weights.pth", "plugin.export makes one of it"),
        ("unit.safetensors", "A checkpoint is no bundle"),
    ],
)
def test_a_file_is_no_place(bundle_folder, digits_network, name, told):
    """A path of a file is refused as such, with what to give in its place; nothing is read of it."""
    (bundle_folder / name).touch()
    with pytest.raises(ValueError, match=rf"{bundle_folder / name} is a file\. Give the folder.*{told}"):
        bottleneck.load(bundle_folder / name, digits_network)


def test_a_folder_without_a_bundle_is_named(tmp_path, digits_network):
    """A run that has not ended, and a folder that is not there, are told with what is missing."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for place in (tmp_path / "run", tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match=rf"{place}/bundle.json is missing.*Give the folder of"):
            bottleneck.load(place, digits_network)


@pytest.mark.parametrize("given", ["digits_resnet", {"weights": 0}])
def test_what_is_no_network_is_told(bundle_folder, digits_network, given):
    """A network's name or weights in its place, and a network in the path's, are refused in short."""
    with pytest.raises(TypeError, match=rf"this {type(given).__name__} is no network\. Give the module"):
        bottleneck.load(bundle_folder, given)
    with pytest.raises(ValueError, match="no path of a bundle") as told:
        bottleneck.load(digits_network)
    assert len(str(told.value)) < 200


def test_unknown_entries_of_the_zoo_are_answered_with_known_ones():
    """A slip of the pen is named with the nearest entry."""
    with pytest.raises(ValueError, match="Did you mean zoo:digits/default"):
        bottleneck.load("zoo:digits/defautl")


@pytest.mark.parametrize("name", zoo_names())
def test_entries_have_a_card_and_run(name):
    """Every entry says its numbers, data, licence and command; an embedded network's runs as it is."""
    (entry,) = [each for each in bottleneck.zoo() if each.name == f"zoo:{name}"]
    assert entry.points
    assert all(size > 0 and 0 < value <= 1 for size, value in entry.points)
    assert all(text and text in f"{entry.data} {entry.licence} {entry.command}" for text in (entry.data,))
    assert entry.command.startswith(("bottleneck ", "python "))
    assert str(entry).startswith(
        f"zoo:{name} ({entry.size / 1e6:.1f} MB): {entry.network} cut at {entry.split}"
    )
    assert f"measured on {entry.n:,} validation images of {entry.dataset}" in str(entry)
    assert entry.chosen in str(entry)
    sizes, values = zip(*entry.points, strict=True)
    assert list(pareto.frontier(sizes, values)) == list(range(len(sizes))), "a point is beaten by another"
    if name.startswith("digits/"):
        device, server = bottleneck.load(entry.name)
        assert server(device(np.full((1, 8, 8), 7, np.uint8))).shape == (1, 10)
