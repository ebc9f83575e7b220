"""Exported halves: the same symbols and the same answers as PyTorch's, and a device that has no PyTorch."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import bottleneck
from bottleneck import codecs, models
from bottleneck.channel import Channel
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.export import export
from bottleneck.splitting import split
from bottleneck.unit import UNITS, BottleneckUnit

onnxruntime = pytest.importorskip("onnxruntime", reason="extra `onnx` is not installed")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tutorial" / "device_onnx.py"
NEAR = 1e-4  # how far from a rounding boundary, in steps, two float32 implementations may differ

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",  # the exporter's own, of its own parts
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, digits_bundle, digits_network) -> Path:
    """The digits bundle as ONNX."""
    folder = tmp_path_factory.mktemp("exported")
    export(digits_bundle, digits_network, folder)
    return folder


def run(file: Path, **inputs) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(file)
    return session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})


def differences(folder: Path, net, unit, images) -> tuple[int, int, int]:
    """How many symbols differ between ONNX Runtime and PyTorch, how many may, and how many there are."""
    (theirs,) = run(folder / "device.onnx", image=images)
    with torch.no_grad():
        values = unit.encode(net.head(images)) / unit.quantizer.step
        ours = unit.symbols(net.head(images)).numpy()
    near = ((values - values.floor() - 0.5).abs() < NEAR).numpy()
    assert theirs.dtype == np.int32
    assert np.array_equal(theirs[~near], ours[~near])
    return int((theirs != ours).sum()), int(near.sum()), ours.size


def test_symbols_and_answers_are_pytorchs(exported, digits_bundle, digits_net, digits_images):
    """On real digits, in any batch, symbols differ near a rounding boundary at most, and answers agree."""
    unit = Bundle.read(digits_bundle).unit
    for images in (digits_images, digits_images[:1]):
        differ, near, n = differences(exported, digits_net, unit, images)
        assert differ <= near < n / 1000
        symbols = unit.symbols(digits_net.head(images))
        (output,) = run(exported / "server.onnx", coded=symbols)
        with torch.no_grad():
            expected = digits_net.tail(unit.reconstruct(symbols))
        np.testing.assert_allclose(output, expected.numpy(), rtol=1e-4, atol=1e-4)


def test_device_without_pytorch_talks_to_the_server(
    exported, digits_bundle, digits_network, digits_images, tmp_path
):
    """The script's payloads are the device's, byte for byte, and the server reads them."""
    np.save(tmp_path / "images.npy", digits_images.numpy())
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(exported), str(tmp_path / "images.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    payloads = [bytes.fromhex(line) for line in done.stdout.split()]
    device, server = bottleneck.load(digits_bundle, digits_network)
    same = [payload == device(image) for payload, image in zip(payloads, digits_images, strict=True)]
    assert sum(same) >= len(same) - 1
    assert all(server(payload).shape == (1, 10) for payload in payloads)


def test_script_is_short_and_needs_three_packages():
    """The device's script has fewer than 40 lines and imports NumPy, ONNX Runtime and our codecs alone."""
    text = SCRIPT.read_text()
    assert len(text.splitlines()) < 40
    imported = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)) - set(sys.stdlib_module_names)
    assert imported == {"numpy", "onnxruntime", "bottleneck"}


def test_torch_export_is_read_back(bundle_folder, digits_network, digits_net, digits_images):
    """`target=torch` writes programs that give the same symbols and answers, for any batch."""
    export(bundle_folder, digits_network, bundle_folder / "torch", target="torch")
    device, server = (
        torch.export.load(bundle_folder / "torch" / f"{side}.pt2").module() for side in ("device", "server")
    )
    unit = Bundle.read(bundle_folder).unit
    symbols = unit.symbols(digits_net.head(digits_images[:7]))
    assert torch.equal(device(image=digits_images[:7]), symbols)
    torch.testing.assert_close(
        server(coded=symbols), digits_net.tail(unit.reconstruct(symbols)), rtol=1e-4, atol=1e-4
    )


def test_networks_of_float_images_are_exported(bundle_folder, digits_network, digits_images):
    """A plugin's bundle, whose network takes what its user's transform made, takes floats when exported."""
    bundle = Bundle.read(bundle_folder)
    bundle.preprocessing = None
    bundle.save(bundle_folder)
    export(bundle_folder, digits_network, bundle_folder / "torch", target="torch")
    program = torch.export.load(bundle_folder / "torch" / "device.pt2").module()
    device, _ = bottleneck.load(bundle_folder, digits_network)
    image = digits_images[0].float()
    symbols = program(image=image[None])
    assert device(image) == bundle.codec.encode(symbols[0].numpy())


def test_description_has_what_a_device_needs(exported):
    """Codec with tables, and what an image is, stand beside the graphs."""
    description = json.loads((exported / "export.json").read_text())
    assert codecs.from_dict(description["codec"]).fitted
    assert (description["image_shape"], description["image_dtype"]) == ([1, 8, 8], "uint8")
    assert description["letterbox"] is None


def test_wrong_requests_are_refused(bundle_folder, digits_network, tmp_path):
    """An unknown target and a foreign network are named before anything is written."""
    with pytest.raises(ValueError, match=r"target='coreml' is unknown. Choose one of \['onnx', 'torch'\]"):
        export(bundle_folder, digits_network, tmp_path / "out", target="coreml")
    with pytest.raises(ValueError, match="belongs to a network"):
        export(bundle_folder, torch.nn.Conv2d(1, 1, 1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_command_exports_what_the_bundle_names(bundle_folder, tmp_path):
    """The command finds the network by the bundle's own words, but runs no code that a file chooses."""
    bundle = Bundle.read(bundle_folder)

    def command():
        arguments = [f"bundle={bundle_folder}", "target=torch", f"hydra.run.dir={tmp_path}/run"]
        return subprocess.run(
            [sys.executable, "-m", "bottleneck", "export", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )

    bundle.model = {"_target_": "bottleneck.models.create", "name": "digits_resnet"}
    bundle.save(bundle_folder)
    done = command()
    assert done.returncode == 0, done.stderr
    assert re.search(r"torch/device.pt2: [\d,]+ bytes", done.stdout)

    bundle.model = {"_target_": "os.system", "command": f"touch {tmp_path}/harmed"}
    bundle.save(bundle_folder)
    assert "model=... as for train" in command().stderr
    assert not (tmp_path / "harmed").exists()


class LooksAtValues(torch.nn.Module):
    """What PyTorch's exporter cannot follow."""

    def forward(self, x):
        return x if x.isfinite().all() else x.nan_to_num()


class Bessel(torch.nn.Module):
    """What ONNX has no operation for."""

    def forward(self, x):
        return torch.special.bessel_j0(x)


def bundle_before(module, folder):
    """A bundle whose tail runs a module, and its network."""
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3, padding=1), module, torch.nn.Conv2d(4, 2, 1)
    network = models.wrap(torch.nn.Sequential(*layers), side=8)
    unit = BottleneckUnit(4, 2, 1, 0.05, (8, 8)).eval()
    codec = codecs.create("huffman", shape=unit.latent_shape).fit(np.zeros((1, 2, 8, 8), np.int32))
    Bundle(unit, codec, "0", models.weights_identity(network), (3, 8, 8)).save(folder)
    return network


@pytest.mark.parametrize("target", ["onnx", "torch"])
def test_half_that_cannot_be_exported_is_told(target, tmp_path):
    """A tail whose code looks at values runs where PyTorch is; the error says why, and leaves no files."""
    network = bundle_before(LooksAtValues(), tmp_path / "bundle")
    said = rf"{tmp_path}/bundle cannot .*takes \['coded'\] cannot be exported.*bottleneck\.load"
    with pytest.raises(ValueError, match=said):
        export(tmp_path / "bundle", network, tmp_path / "graphs", target)
    assert not (tmp_path / "graphs" / "export.json").exists()


@pytest.mark.slow
def test_an_operation_that_onnx_lacks_is_named(tmp_path):
    """Of the exporter's page of advice one line is told, and that torch.export takes what ONNX does not."""
    network = bundle_before(Bessel(), tmp_path / "bundle")
    said = rf"{tmp_path}/bundle cannot .*takes \['coded'\].*torch\.onnx says .*bessel_j0.*target=torch or"
    with pytest.raises(ValueError, match=said) as told:
        export(tmp_path / "bundle", network, tmp_path / "graphs")
    assert len(str(told.value)) < 600
    assert not (tmp_path / "graphs" / "export.json").exists()
    export(tmp_path / "bundle", network, tmp_path / "graphs", "torch")


def test_a_detector_that_resizes_images_is_refused(tmp_path):
    """No graph follows its sizes; the error says which detectors can be exported."""
    network = models.create("scenes_detector")
    net = split(network, "layer2", torch.zeros(1, *network.input_shape, dtype=torch.uint8))
    unit = BottleneckUnit(net.point.shape[0], 2, 1, 0.05, tuple(net.point.shape[1:])).eval()
    codec = codecs.create("huffman", shape=unit.latent_shape)
    codec.fit(np.zeros((1, *unit.latent_shape), np.int32))
    identity = models.weights_identity(network)
    Bundle(unit, codec, "layer2", identity, network.input_shape).save(tmp_path / "bundle")
    with pytest.raises(ValueError, match=rf"{tmp_path}/bundle is of a detector .*bottleneck\.load"):
        export(tmp_path / "bundle", network, tmp_path / "graphs")


def test_what_is_no_single_bundle_is_told(exported, bundle_folder, digits_network, tmp_path):
    """A run's folder stands for its bundle; a frontier has several, and exported graphs have none."""
    shutil.copytree(bundle_folder, tmp_path / "run" / "bundle")
    export(tmp_path / "run", digits_network, tmp_path / "graphs", "torch")
    assert (tmp_path / "graphs" / "device.pt2").exists()
    with pytest.raises(ValueError, match=r"zoo:digits/default is a frontier\. Give one .*point-"):
        export("zoo:digits/default", digits_network, tmp_path / "other")
    for act in (bottleneck.load, lambda *given: export(*given, tmp_path / "other")):
        with pytest.raises(ValueError, match=rf"{exported} holds no bundle\. Exported graphs run without"):
            act(exported, digits_network)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("at", ["_blocks.10", "_blocks.15"])
def test_symbols_agree_on_photographs(at, data_at_hand, tmp_path):
    """EfficientNet-Lite0 on Imagenette: symbols differ near a boundary at most, the top class never."""
    pytest.importorskip("efficientnet_lite_pytorch", reason="extra `efficientnet` is not installed")
    files = sorted((data_at_hand / "imagenette" / "val").rglob("*.JPEG"))[::20][:48]
    images = torch.stack(
        [torch.from_numpy(np.asarray(Image.open(f).convert("RGB")).transpose(2, 0, 1).copy()) for f in files]
    )
    model = models.create("efficientnet_lite0")
    net = split(model, at, images[:1]).freeze()
    with torch.no_grad():
        features = torch.cat([net.head(batch) for batch in images.split(16)])
        torch.manual_seed(0)
        unit = BottleneckUnit.from_features(features, "CHW", latent_channels=28, stride=2, step=0.25)
        for _ in range(20):
            unit(features)  # statistics of real features
        unit.eval()
    codec = codecs.create("huffman", shape=unit.latent_shape)
    codec.fit(unit.symbols(features).numpy())
    network = models.weights_identity(model)
    Bundle(unit, codec, at, network, (3, 224, 224)).save(tmp_path / "bundle")
    export(tmp_path / "bundle", model, tmp_path / "onnx")
    differ, near, n = differences(tmp_path / "onnx", net, unit, images)
    print(f"{at}: {differ} of {n} symbols differ, {near} lie within {NEAR} of a boundary")
    assert differ <= near < n / 100
    symbols = unit.symbols(features)
    (output,) = run(tmp_path / "onnx" / "server.onnx", coded=symbols)
    with torch.no_grad():
        expected = net.tail(unit.reconstruct(symbols)).numpy()
    assert np.array_equal(output.argmax(1), expected.argmax(1))
    np.testing.assert_allclose(output, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_device_runs_where_nothing_else_is_installed(
    exported, digits_bundle, digits_network, digits_images, tmp_path
):
    """NumPy, ONNX Runtime and our wheel without dependencies: the script gives the same payloads there."""

    def succeed(*command):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if re.search("Could not find a version|Connection|Temporary failure|No matching", done.stderr):
            pytest.skip(f"no package index: {done.stderr[-200:]}")
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    succeed(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path / "wheels", ROOT)
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    succeed(sys.executable, "-m", "venv", tmp_path / "venv")
    python = next((tmp_path / "venv").glob("*/python"))
    succeed(python, "-m", "pip", "install", "numpy", "onnxruntime")
    succeed(python, "-m", "pip", "install", "--no-deps", wheel)
    np.save(tmp_path / "images.npy", digits_images.numpy())
    bare = {"PATH": "/usr/bin:/bin"}  # no PYTHONPATH: the wheel, not this checkout
    done = subprocess.run(
        [str(python), "-W", "error", str(SCRIPT), str(exported), str(tmp_path / "images.npy")],
        capture_output=True,
        text=True,
        check=False,
        env=bare,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    device, _ = bottleneck.load(digits_bundle, digits_network)
    payloads = [bytes.fromhex(line) for line in done.stdout.split()]
    same = [payload == device(image) for payload, image in zip(payloads, digits_images, strict=True)]
    assert sum(same) >= len(same) - 1
    installed = {entry["name"] for entry in json.loads(succeed(python, "-m", "pip", "list", "--format=json"))}
    assert not installed & {"torch", "numba", "dahuffman", "pytorch-lightning"}


class Network(torch.nn.Module):
    """A head that is no identity, a layer that a unit may replace, tokens, and a tail; for 3×14×10 images."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3, 2, padding=1), torch.nn.ReLU())
        self.layer = torch.nn.Sequential(torch.nn.Conv2d(5, 6, 3, padding=1), torch.nn.ReLU())
        self.tokens = torch.nn.Flatten(2)
        self.turned = Turned()
        self.classifier = torch.nn.Linear(6, 4)

    def forward(self, x):
        return self.classifier(self.turned(self.tokens(self.layer(self.stem(x))))).mean(1)


class Turned(torch.nn.Module):
    """Channels last."""

    def forward(self, x):
        return x.transpose(1, 2)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("kind", "codec"),
    [*((kind, "range") for kind in sorted(UNITS)), ("depthwise", "affine"), ("slim", "affine")],
)
def test_graphs_of_every_unit_and_codec_do_what_the_loaded_sides_do(kind, codec, tmp_path):
    """The exported device and server agree with `bottleneck.load`'s, whatever the unit, replacing or not."""
    torch.manual_seed(0)
    network, images = Network().eval(), torch.randn(8, 3, 14, 10)
    at = "turned" if kind == "tokens" else "layer"
    net = split(network, at, images, replace=UNITS[kind].replaces).freeze()
    given = net.head(images)
    options = {"latent_channels": 3, "stride": 2, "step": 0.1}
    options |= {
        "tokens": {"grid": (7, 5)},
        "slim": {"replaced": net.adapter.before(given), "stride": 1},
        "pooled": {"stride": 1},
    }.get(kind, {})
    unit = UNITS[kind].from_features(given, net.entry.layout, **options)
    for _ in range(40):
        unit(given)  # statistics other than a new BatchNorm's
    unit.eval()
    channel = Channel(codecs.create(codec, shape=unit.latent_shape), unit).fit([(given, None)])
    bundle = Bundle(
        unit, channel.codec, at, models.weights_identity(network), (3, 14, 10), preprocessing=None
    )
    bundle.save(tmp_path / "bundle")
    export(tmp_path / "bundle", network, tmp_path / "onnx")

    device, server = bottleneck.load(tmp_path / "bundle", network)
    ours = np.stack([channel.codec.decode(device(image)) for image in images])
    (theirs,) = run(tmp_path / "onnx" / "device.onnx", image=images)
    assert theirs.dtype == ours.dtype == (np.int32 if codec == "range" else np.float32)
    assert theirs.std() > 0.05, "a constant would prove nothing"
    near = 1 if codec == "range" else np.ptp(ours) / 255
    assert np.abs(theirs - ours).max() <= near
    if codec == "range":
        assert (theirs != ours).mean() < 0.02
    (answers,) = run(tmp_path / "onnx" / "server.onnx", coded=torch.from_numpy(ours))
    expected = torch.cat([server(device(image)) for image in images])
    np.testing.assert_allclose(answers, expected.numpy(), rtol=1e-3, atol=1e-4)


def test_callers_network_stays_where_it_is(bundle_folder, digits_network, tmp_path):
    """Export neither moves the network nor changes its modes."""
    before = {name: (tensor.data_ptr(), tensor.device) for name, tensor in digits_network.named_parameters()}
    export(bundle_folder, digits_network, tmp_path / "out", target="torch")
    after = {name: (tensor.data_ptr(), tensor.device) for name, tensor in digits_network.named_parameters()}
    assert before == after
