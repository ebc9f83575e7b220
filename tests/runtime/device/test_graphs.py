"""The device without PyTorch: the same payloads, answers and routes from exported graphs."""

import hashlib
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import bottleneck
from bottleneck.integrity import description
from bottleneck.preprocess import preprocess
from bottleneck.runtime.device.cascade import Cascade
from bottleneck.runtime.device.graphs import GraphHalf, prepared
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.device_times import devices
from bottleneck.runtime.strategy import Spread, Strategy


@pytest.fixture(scope="module")
def exported(tmp_path_factory, frontier, digits_network):
    """The best point's bundle with its graphs."""
    pytest.importorskip("onnxruntime")
    from bottleneck.deploy.export import export

    folder = shutil.copytree(frontier / "point-02", tmp_path_factory.mktemp("exported") / "bundle")
    export(folder, digits_network, folder / "onnx")
    return folder


@pytest.mark.slow
def test_graphs_send_what_the_loaded_network_sends(exported, digits_network, digits_images):
    """Payloads are equal to the byte, and the route the same; alone, the graphs finish on their own."""
    graphs, half = GraphHalf([exported]), TorchHalf([exported], digits_network)
    _, server = bottleneck.load(exported, digits_network)
    assert list(graphs.routes) == list(half.routes)
    assert graphs.network == half.network
    (route,) = half.routes
    payloads = [half.payload(image, route) for image in digits_images]
    same = [
        graphs.payload(image.numpy(), route) == p for image, p in zip(digits_images, payloads, strict=True)
    ]
    assert np.mean(same) > 0.9  # a value on the border of two levels may round either way
    for image, payload in zip(digits_images[:5], payloads, strict=False):
        assert graphs.alone(image.numpy())["top"][0]["class"] == int(server(payload).argmax())


@pytest.mark.slow
def test_pictures_are_those_of_the_loaded_network(exported, digits_network, digits_images):
    """What a cascade sends is the same picture, in one piece."""
    graphs, half = GraphHalf([exported]), TorchHalf([exported], digits_network)
    picture = Cascade(0.8, {"name": "png"}).route
    for image in digits_images[:3]:
        payload = graphs.payload(image.numpy(), picture)
        assert payload == half.payload(image, picture)
        assert graphs.packets(payload, picture) == [payload]
    graphs.refresh(picture)


@pytest.mark.slow
def test_no_torch_is_needed(exported):
    """Client and graphs load and run where there is neither torch nor the training stack."""
    code = f"""
import sys
for name in ("torch", "torchvision", "hydra", "optuna", "pytorch_lightning", "sklearn"):
    sys.modules[name] = None
from pathlib import Path
import numpy as np
from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.graphs import GraphHalf
with Client("127.0.0.1:9", GraphHalf([Path({str(exported)!r})]), timeout=0.2) as client:
    assert client.ask(np.zeros((1, 8, 8), np.uint8)).answer["top"]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_older_exports_still_answer(exported, digits_images, rewrite, tmp_path):
    """They call what the server's graph takes `symbols`."""
    onnx = pytest.importorskip("onnx")
    old = shutil.copytree(exported, tmp_path / "old")
    file = old / "onnx" / "server.onnx"
    model = onnx.load(file)
    (given,) = model.graph.input
    for node in model.graph.node:
        node.input[:] = ["symbols" if name == given.name else name for name in node.input]
    given.name = "symbols"
    onnx.save(model, file)
    sha256 = {name.name: hashlib.sha256(name.read_bytes()).hexdigest() for name in file.parent.glob("*.onnx")}
    rewrite(old / "onnx" / "export.json", sha256=sha256)

    image = digits_images[0].numpy()
    assert GraphHalf([old]).alone(image) == GraphHalf([exported]).alone(image)
    alone = Strategy("device", None, Spread([1]), Spread([9]), Spread([1]), 0.9)
    ours, theirs = (devices([alone], [folder], image.shape)["device"](image) for folder in (exported, old))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"short_side": 20},
        {"short_side": 20, "crop": 15},
        {"short_side": 20, "crop": 15, "interpolation": "bicubic"},
        {"size": [20, 24], "interpolation": "lanczos"},
        {"size": [20, 24], "crop": 15},
        {"letterbox": 20},
    ],
)
@pytest.mark.parametrize("size", [(33, 20), (20, 41), (57, 64)])
def test_preparation_is_preprocess_itself(options, size):
    """With Pillow and NumPy alone the pixels are those of `preprocess`, bit for bit."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    expected = preprocess(**options)(Image.fromarray(pixels)).numpy()
    for image in (Image.fromarray(pixels), pixels.transpose(2, 0, 1)):
        np.testing.assert_array_equal(prepared(image, options, expected.shape), expected)


def test_an_image_of_one_row_costs_what_its_crop_costs():
    """What is far longer than high is cut before it is resized, or refused where nothing cuts it."""
    image, begin = Image.new("RGB", (16_000, 1)), time.process_time()
    assert prepared(image, {"short_side": 256, "crop": 224}, [3, 224, 224]).shape == (3, 224, 224)
    assert time.process_time() - begin < 1
    with pytest.raises(ValueError, match=r"an image of \(16000, 1\) pixels is too long"):
        prepared(image, {"short_side": 256}, [3, 256, 4096000])


def test_an_image_of_another_size_is_refused():
    """Both sizes are named."""
    with pytest.raises(ValueError, match=r"\(3, 4, 5\) after preprocessing, the graph takes \(3, 5, 5\)"):
        prepared(np.zeros((3, 4, 5), np.uint8), {}, [3, 5, 5])


def test_what_was_not_exported_is_named(frontier, tmp_path):
    """A frontier without graphs, and graphs of an older release, say which command mends that."""
    pytest.importorskip("onnxruntime")
    with pytest.raises(FileNotFoundError, match=r"bottleneck export bundle="):
        GraphHalf([frontier])
    description.write(tmp_path / "export.json", "split-bottleneck export", 1, {"codec": {}})
    with pytest.raises(ValueError, match=r"older release\. Export it again"):
        GraphHalf([tmp_path])
