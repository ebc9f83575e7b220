"""Bundles: what was trained is what is deployed, and nothing else is accepted."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import bottleneck
from bottleneck import codecs
from bottleneck.bundle import Bundle
from bottleneck.data import Digits
from bottleneck.models import weights_identity
from bottleneck.splitting import split
from bottleneck.unit import BottleneckUnit


@pytest.fixture(scope="module")
def digits():
    samples = Digits().subset("val")
    return torch.stack([samples[i][0] for i in range(40)])


@pytest.fixture(scope="module")
def net(digits_network, digits):
    return split(digits_network, "layer2", digits[:1]).freeze()


@pytest.fixture
def folder(tmp_path, digits_network, net, digits):
    torch.manual_seed(0)
    unit = BottleneckUnit(64, 8, 2, 0.05, (4, 4)).eval()
    codec = codecs.create("huffman", shape=unit.latent_shape)
    with torch.no_grad():
        codec.fit(unit.symbols(net.head(digits)).numpy())
    bundle = Bundle(unit, codec, "layer2", weights_identity(digits_network), (1, 8, 8), result={"value": 0.9})
    bundle.save(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_device_and_server_compute_what_evaluation_does(folder, digits_network, net, digits):
    """From pixels to payload to output, both sides agree with the split network and the unit."""
    device, server = bottleneck.load(folder, digits_network)
    unit = device.bundle.unit
    with torch.no_grad():
        for image in digits:
            payload = device(image.numpy())
            symbols = unit.symbols(net.head(image[None]))
            assert payload == device.bundle.codec.encode(symbols[0].numpy())
            expected = net.tail(unit.reconstruct(symbols))
            assert expected.shape == (1, 10)
            torch.testing.assert_close(server(payload), expected)


def test_images_are_taken_as_pil_numpy_and_torch(folder, digits_network, digits):
    """A PIL image, an array and a tensor of the same pixels give the same payload."""
    device, _ = bottleneck.load(folder, digits_network)
    picture = Image.fromarray(digits[3, 0].numpy())
    assert device(picture) == device(digits[3].numpy()) == device(digits[3])


def test_preprocessing_is_the_bundles(folder, digits_network):
    """A larger image is resized and cropped as the bundle says."""
    bundle = Bundle.read(folder)
    bundle.preprocessing = {"short_side": 8, "crop": 8}
    bundle.save(folder)
    device, server = bottleneck.load(folder, digits_network)
    assert server(device(Image.fromarray(np.zeros((20, 30), np.uint8)))).shape == (1, 10)


def test_image_of_another_size_is_refused(folder, digits_network):
    """Without preprocessing, an image of the wrong size is named with the right one."""
    device, _ = bottleneck.load(folder, digits_network)
    with pytest.raises(ValueError, match=r"\(1, 9, 8\) after preprocessing.*\(1, 8, 8\)"):
        device(np.zeros((1, 9, 8), np.uint8))


def test_saving_again_changes_nothing(folder, tmp_path):
    """A bundle survives reading and writing: same id, same files."""
    bundle = Bundle.read(folder)
    bundle.save(tmp_path / "copy")
    for name in ("bundle.json", "unit.safetensors"):
        assert (tmp_path / "copy" / name).read_bytes() == (folder / name).read_bytes()
    assert Bundle.read(tmp_path / "copy").id == bundle.id


def test_other_network_is_refused(folder, digits_network):
    """A network with one changed weight is not the bundle's network."""
    other = copy.deepcopy(digits_network)
    with torch.no_grad():
        other.network.fc.bias[0] += 1
    with pytest.raises(ValueError, match="belongs to a network with weights"):
        bottleneck.load(folder, other)


@pytest.mark.parametrize("name", ["bundle.json", "unit.safetensors"])
@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_truncated_files_are_refused(folder, name, keep):
    """A file that lost its end, or everything, is an error that names it."""
    path = folder / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=name):
        Bundle.read(folder)


@pytest.mark.parametrize("name", ["bundle.json", "unit.safetensors"])
def test_missing_files_are_named(folder, name):
    """A folder without one of the two files is no bundle."""
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
        Bundle.read(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "has version 2; this release reads 1"),
        ({"format": "zip"}, "does not describe a bundle"),
        ({"split": "layer1"}, "was changed after it was written"),
    ],
)
def test_newer_foreign_and_edited_descriptions_are_refused(folder, change, message):
    """A newer version, another format and a changed value are told apart."""
    path = folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        Bundle.read(folder)


def test_foreign_payload_is_refused(folder, digits_network):
    """Bytes that cannot be a payload do not reach the tail."""
    _, server = bottleneck.load(folder, digits_network)
    for payload in (b"", bytes(10_000)):
        with pytest.raises(ValueError, match="payload"):
            server(payload)


def test_inference_imports_no_training_stack(folder, cache_dir):
    """Loading and using a bundle needs neither Lightning nor Hydra nor Optuna."""
    code = f"""
import sys
import numpy as np
import bottleneck
model = bottleneck.models.create("digits_resnet", cache_dir={str(cache_dir)!r})
device, server = bottleneck.load({str(folder)!r}, model)
assert server(device(np.zeros((1, 8, 8), np.uint8))).shape == (1, 10)
stack = {{"pytorch_lightning", "lightning", "hydra", "omegaconf", "optuna", "sklearn", "matplotlib"}}
assert not stack & set(sys.modules), stack & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
