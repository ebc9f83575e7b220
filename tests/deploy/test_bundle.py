"""Bundles as files: whole, unchanged and of this release, or refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import bottleneck
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import read_bundles
from bottleneck.deploy.networks import split_network


def test_saving_again_changes_nothing(bundle_folder, tmp_path):
    """A bundle survives reading and writing: same id, same files."""
    bundle = Bundle.read(bundle_folder)
    bundle.save(tmp_path / "copy")
    for name in ("bundle.json", "unit.safetensors"):
        assert (tmp_path / "copy" / name).read_bytes() == (bundle_folder / name).read_bytes()
    assert Bundle.read(tmp_path / "copy").id == bundle.id


@pytest.mark.parametrize("name", ["bundle.json", "unit.safetensors"])
@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_truncated_files_are_refused(bundle_folder, name, keep):
    """A file that lost its end, or everything, is an error that names it."""
    path = bundle_folder / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=name):
        Bundle.read(bundle_folder)


@pytest.mark.parametrize("name", ["bundle.json", "unit.safetensors"])
def test_missing_files_are_named(bundle_folder, name):
    """A folder without one of the two files is no bundle."""
    (bundle_folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
        Bundle.read(bundle_folder)


@pytest.mark.parametrize("kind", [Bundle.read, read_bundles])
def test_a_folder_that_is_not_there_is_named_as_it_was_given(tmp_path, kind):
    """No name of a folder that a replacement would have made for a moment."""
    with pytest.raises(FileNotFoundError) as error:
        kind(tmp_path / "bundel")
    assert str(tmp_path / "bundel") in str(error.value)
    assert ".old" not in str(error.value)


@pytest.fixture
def own_tail(bundle_folder, digits_net) -> Path:
    """The digits' bundle with a tail of its own."""
    bundle = Bundle.read(bundle_folder)
    bundle.tail = {key: value + 0.01 for key, value in digits_net.tail.state_dict().items() if value.dim()}
    bundle.tail = digits_net.tail.state_dict() | bundle.tail
    bundle.save(bundle_folder)
    return bundle_folder


def test_own_tail_is_the_servers_alone(own_tail, tmp_path, digits_bundle, digits_network, digits_images):
    """A bundle with a tail of its own has another id, the same device, and another answer of the server."""
    (device, server), (plain, answer) = (
        bottleneck.load(folder, digits_network) for folder in (own_tail, digits_bundle)
    )
    assert device.bundle.id != plain.bundle.id
    assert device.bundle.place != plain.bundle.place  # so that no server keeps one tail for both
    payload = device(digits_images[0])
    assert payload == plain(digits_images[0])
    assert not torch.allclose(server(payload), answer(payload))
    Bundle.read(own_tail).save(tmp_path / "copy")
    assert Bundle.read(tmp_path / "copy").id == device.bundle.id
    assert torch.equal(server(payload), bottleneck.load(tmp_path / "copy", digits_network)[1](payload))


def test_own_tail_is_checked_like_the_unit(own_tail, digits_network):
    """Where its file is damaged, missing or of another network, the message names it."""
    file, bundle = own_tail / "tail.safetensors", Bundle.read(own_tail)
    bundle.tail = {"weight": torch.zeros(3)}
    with pytest.raises(ValueError, match="not of the tail behind layer2"):
        split_network(bundle, digits_network)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"tail\.safetensors is truncated"):
        Bundle.read(own_tail)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"tail\.safetensors is missing"):
        Bundle.read(own_tail)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "has version 3; this release reads 1, 2"),
        ({"version": 1.0}, "has version 1.0; this release reads 1, 2"),
        ({"format": "zip"}, "does not describe a split-bottleneck bundle"),
        ({"split": "layer1"}, "was changed after it was written"),
    ],
)
def test_newer_foreign_and_edited_descriptions_are_refused(bundle_folder, change, message):
    """A newer version, another format and a changed value are told apart."""
    path = bundle_folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}, indent=1))
    with pytest.raises(ValueError, match=message):
        Bundle.read(bundle_folder)


def test_weights_of_another_bundle_are_refused(bundle_folder):
    """Weights of the right shape that are not the bundle's own do not pass."""
    path = bundle_folder / "unit.safetensors"
    state = load_file(path)
    save_file({key: value + 1 for key, value in state.items()}, path)
    with pytest.raises(ValueError, match=r"unit\.safetensors is truncated or belongs to another bundle"):
        Bundle.read(bundle_folder)


def test_id_names_the_whole_operating_point(bundle_folder):
    """Another step, split or weight is another operating point; saving is not."""
    bundle = Bundle.read(bundle_folder)
    before = bundle.id
    bundle.unit.quantizer.step *= 2
    assert bundle.id != before
    bundle = Bundle.read(bundle_folder)
    bundle.split = "layer1"
    assert bundle.id != before
    assert Bundle.read(bundle_folder).id == before


def test_bundle_without_a_task_is_of_classification(bundle_folder, rewrite):
    """Bundles that were written before there were other tasks are read as what they were."""
    rewrite(bundle_folder / "bundle.json", task=...)
    assert Bundle.read(bundle_folder).task == "classification"


def test_bundles_of_release_0_1_are_read():
    """A bundle that 0.1 wrote gives the same symbols from features, and the same bytes from symbols."""
    folder = Path(__file__).parent / "release_0_1"
    bundle = Bundle.read(folder)
    expected = json.loads((folder / "expected.json").read_text())
    symbols = bundle.unit.symbols(torch.tensor(expected["feature"])).numpy()
    assert symbols.tolist() == expected["symbols"]
    payloads = [bundle.codec.encode(one) for one in symbols]
    assert [payload.hex() for payload in payloads] == expected["payloads"]
    for one, payload in zip(symbols, payloads, strict=True):
        assert np.array_equal(bundle.codec.decode(payload), one)
    assert (bundle.split, bundle.task, bundle.behaviour) == ("layer2", "classification", None)
