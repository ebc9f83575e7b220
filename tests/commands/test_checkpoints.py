"""Networks from a checkpoint on data from a folder: trained, measured, loaded, exported, and as published."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from PIL import Image
from safetensors.torch import save_file

import bottleneck
from bottleneck import models
from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate
from bottleneck.commands.train import train_and_measure as train
from bottleneck.data.imagenet import IMAGENETTE_WNIDS
from bottleneck.deploy.export import export

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),  # Lightning's advice is not ours to follow here
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # the exporter's own
]

NETWORKS = {"espnet": "espnet", "resnet20_cifar": "resnet20_cifar", "squeezenet": "squeezenet1_1"}
SMALL = {
    "espnet": ("data.size=[48,64]", "data.batch_size=2"),
    "resnet20_cifar": ("data.train_limit=32", "data.val_limit=8", "data.views=2", "unit.width=16"),
    "squeezenet": ("data.short_side=64", "data.crop=64", "data.views=2", "unit.width=16"),
}


def composed(name, *overrides):
    always = ("device=cpu", "trainer.enable_progress_bar=false", "trainer.max_epochs=1", "also_codecs=[]")
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(name, [*always, *overrides])


def noise(rng, *shape):
    return Image.fromarray(rng.integers(0, 256, (*shape, 3)).astype(np.uint8))


def write_camvid(root, rng):
    for part, count in (("train", 6), ("test", 3)):
        for folder in (part, f"{part}annot"):
            (root / folder).mkdir(parents=True)
        for number in range(count):
            noise(rng, 48, 64).save(root / part / f"{number}.jpg")
            mask = rng.integers(0, 12, (48, 64)).astype(np.uint8)
            Image.fromarray(mask).save(root / f"{part}annot" / f"{number}.png")


def write_cifar10(root, rng):
    root.mkdir()
    for number in (0, 50):
        noise(rng, 1000, 1024).save(root / f"cifar10_batch_{number}.png", compress_level=1)
    (root / "cifar10_labels.js").write_text(f"var labels={rng.integers(0, 10, 51_000).tolist()};")


def write_imagenette(root, rng):
    for part, count in (("train", 2), ("val", 1)):
        for wnid in IMAGENETTE_WNIDS:
            (root / part / wnid).mkdir(parents=True)
            for number in range(count):
                noise(rng, 64, 64).save(root / part / wnid / f"{number}.png")


WRITERS = {"espnet": write_camvid, "resnet20_cifar": write_cifar10, "squeezenet": write_imagenette}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "cut"),
    [
        ("espnet", ()),
        ("espnet", ("split=encoder.b2", "unit.stride=[8,4]", "unit.latent_channels=[2,8]")),
        ("resnet20_cifar", ()),
        ("squeezenet", ()),
    ],
)
def test_whole_path_from_a_checkpoint_to_graphs(experiment, cut, tmp_path):
    """A short training writes a bundle that measures, answers and, as graphs, computes what training did."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="extra `onnx` is not installed")
    torch.manual_seed(0)
    WRITERS[experiment](tmp_path / "data", np.random.default_rng(0))
    weights = str(tmp_path / "weights.safetensors")
    save_file(models.create(NETWORKS[experiment]).network.state_dict(), weights)
    given = [f"experiment={experiment}", f"data.root={tmp_path / 'data'}", f"model.weights={weights}"]
    given += [*SMALL[experiment], *cut, "suite.feature=null", f"cache.dir={tmp_path / 'cache'}"]

    run = tmp_path / "run"
    run.mkdir()
    cfg = composed("train", *given)
    frozen, trained = train(cfg, run)
    assert (frozen.model, trained.method) == (NETWORKS[experiment], "bottleneck")
    again = evaluate(composed("evaluate", *given, f"bundles=['{run / 'bundle'}']"), run)[1]
    assert (again.value, again.payload_bytes) == (trained.value, trained.payload_bytes)

    network = instantiate(cfg.model)
    device, server = bottleneck.load(run / "bundle", network)
    image, _ = instantiate(cfg.data).subset("val")[0]
    payload = device(image)
    answer = server.output(payload).numpy()
    export(run / "bundle", network, run / "onnx")
    encoder, decoder = (
        onnxruntime.InferenceSession(run / "onnx" / f"{side}.onnx") for side in ("device", "server")
    )
    (symbols,) = encoder.run(None, {"image": image[None].numpy()})
    sent = device.bundle.codec.decode(payload)[None]
    assert np.mean(symbols != sent) < 0.02  # those on the boundary between two
    (output,) = decoder.run(None, {"coded": sent.astype(np.int32)})
    np.testing.assert_allclose(output, answer, rtol=1e-3, atol=1e-3 * np.abs(answer).max())


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("experiment", "folder", "weights", "expected"),
    [
        ("resnet20_cifar", "cifar10", "cifar10/resnet20", {"accuracy_top1": (0.915, 0)}),
        # every third of the 1,000 images has the 0.943 that is known for them
        pytest.param(
            "squeezenet",
            "imagenette",
            "squeezenet/squeezenet1_1",
            {"accuracy_top1": (0.955, 1e-3)},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "espnet",
            "camvid",
            "camvid/espnet_camvid",
            {"miou": (0.5872, 2e-4), "pixel_accuracy": (0.8591, 2e-4)},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_frozen_metric_is_what_the_weights_are_known_for(
    experiment, folder, weights, expected, data_at_hand: Path, tmp_path
):
    """evaluate.py finds the metric that a script of its own found on the same images."""
    given = [f"experiment={experiment}", f"data.root={data_at_hand / folder}", "split=input"]
    given += [f"model.weights={data_at_hand / weights}.safetensors", f"cache.dir={tmp_path / 'cache'}"]
    few = "suite.input={raw: {name: raw, input: pixels}}"
    row = evaluate(composed("evaluate", *given, "suite.feature=null", few), tmp_path)[0]
    for metric, (value, margin) in expected.items():
        assert row.metrics[metric] == pytest.approx(value, abs=margin + 1e-6)
