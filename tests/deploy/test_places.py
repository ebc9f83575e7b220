"""Bundles and frontiers are found where people point at."""

import shutil

import numpy as np
import pytest

import bottleneck
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.places import found, zoo_names
from bottleneck.measure import pareto


@pytest.fixture
def made(bundle_folder):
    """A bundle whose network is named as training names it."""
    bundle = Bundle.read(bundle_folder)
    bundle.model = {"_target_": "bottleneck.models.create", "name": "digits_resnet", "weights": None}
    bundle.save(bundle_folder)
    return bundle_folder


def test_a_runs_folder_stands_for_its_bundle(made, tmp_path):
    """The folder of a bundle and that of the run around it are the same place."""
    shutil.copytree(made, tmp_path / "run" / "bundle")
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


def test_a_bundle_makes_the_network_that_it_names(made, digits_network):
    """Where the network comes with the package nothing else is needed; the answers are the same."""
    image = np.full((1, 8, 8), 7, np.uint8)
    device, server = bottleneck.load(made)
    other, _ = bottleneck.load(made, digits_network)
    assert device(image) == other(image)
    assert server(device(image)).shape == (1, 10)


def test_a_network_that_nobody_brings_along_has_to_be_given(bundle_folder):
    """A bundle that names none, code of its own or a file elsewhere asks for the network."""
    bundle = Bundle.read(bundle_folder)
    for model in (
        {},
        {"_target_": "os.system", "command": "true"},
        {"_target_": "bottleneck.models.create", "name": "digits_resnet", "weights": "/there/my.safetensors"},
    ):
        bundle.model = model
        with pytest.raises(
            ValueError, match=r"Give it: .*bottleneck\.load\(path, .*, or model=\.\.\. as for"
        ):
            bundle.network_made()


@pytest.mark.parametrize(
    ("name", "whose", "call"),
    [
        ("resnet20_cifar/layer1", "akamaster/", "'resnet20_cifar', weights=PATH, num_classes=10"),
        (
            "squeezenet1_1/features.7",
            "forresti/",
            "'squeezenet1_1', weights=PATH, .*logits=.0, 217, .*, mean=",
        ),
        ("yolox_nano/dark3", "Megvii's", "'yolox_nano', weights=PATH, num_classes=80"),
    ],
)
def test_weights_that_nobody_brings_along_are_named(name, whose, call):
    """Without them an entry says whose they are, as its card does, and the call that takes them."""
    (entry,) = [each for each in bottleneck.zoo() if each.name == f"zoo:{name}"]
    assert f"Needs weights that are not here: {whose}" in str(entry)
    wanted = rf"not here: {whose}.*bottleneck\.load\(path, bottleneck\.models\.create\({call}.*\)\)"
    with pytest.raises(ValueError, match=wanted):
        bottleneck.load(entry.name)


def test_what_made_a_network_is_told_in_short(bundle_folder, digits_network):
    """An argument without end does not fill the message, which reads like the call."""
    bundle = Bundle.read(bundle_folder)
    bundle.model, bundle.network = (
        {"_target_": "a.b", "name": "c", "weights": None, "rows": [1] * 999},
        "0" * 64,
    )
    with pytest.raises(ValueError, match=r"made with a\.b\('c', rows=\[1, 1, [1, ]+…\)") as told:
        bundle.check_network(digits_network)
    assert len(str(told.value)) < 500


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


def test_what_is_loaded_reads_like_a_sentence(made):
    """Device, server and bundle say what they are, not where they lie in memory."""
    device, server = bottleneck.load(made)
    told = repr(device.bundle)
    assert told.startswith("bundle ")
    assert told.endswith("depthwise unit behind layer2 of digits_resnet, through range")
    assert (repr(device), repr(server)) == (f"Device of {told}", f"Server of {told}")
