"""Other units than the default through the same commands: trained, coded, searched, exported and loaded."""

import json

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

import bottleneck
from bottleneck import models
from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate
from bottleneck.commands.search import search_from
from bottleneck.commands.train import train_and_measure as train

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # Lightning's advice is not ours to follow here

SHORT = ("device=cpu", "trainer.enable_progress_bar=false", "trainer.max_epochs=8", "data.val_limit=200")
TOKENS = ("unit=tokens", "unit.step=0.5", "alpha=10")
VIT = ("model=digits_vit", "split=encoder.layers.encoder_layer_0", "unit.stride=2", *TOKENS)
SWIN = ("model=digits_swin", "split=features.2", *TOKENS)


def composed(name, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(name, [*SHORT, *overrides])


@pytest.fixture(scope="module", params=[VIT, pytest.param(SWIN, marks=pytest.mark.slow)], ids=["vit", "swin"])
def transformer_run(request, tmp_path_factory):
    """A transformer's tokens sent through a trained token unit: folder, rows, network, latent's shape."""
    folder = tmp_path_factory.mktemp("run")
    cfg = composed("train", *request.param)
    rows = train(cfg, folder)
    shape = {VIT: (8, 5), SWIN: (8, 4)}[request.param]
    return folder, rows, models.create(cfg.model.name), shape


@pytest.mark.slow
def test_trained_tokens_classify_from_fewer_bytes(transformer_run):
    """Near the frozen network's accuracy, at less than the smallest untrained row."""
    _, rows, _, _ = transformer_run
    by_name = {row.method: row for row in rows}
    untrained = [row.payload_bytes for row in rows if row.unit_params is None and row.payload_bytes]
    assert by_name["frozen"].value > 0.9
    assert by_name["bottleneck"].drop <= 0.1
    assert by_name["bottleneck"].payload_bytes < min(untrained)
    assert by_name["bottleneck"].encoder_macs > 0


@pytest.mark.slow
def test_untrained_codecs_code_tokens_too(transformer_run):
    """Every method of the default suite has a row, and the lossless one has the frozen network's accuracy."""
    _, rows, _, _ = transformer_run
    by_name = {row.method: row for row in rows}
    suite = composed("train").suite.feature
    assert set(suite) <= {row.family for row in rows}
    assert by_name["feature-float32"].value == by_name["frozen"].value
    assert by_name["rle-8"].drop <= 0.02
    assert by_name["tiled-png-16"].value > 0.5


def test_bundle_of_tokens_runs_on_both_sides(transformer_run, digits_images):
    """The loaded device and server give a digit's logits from bytes, as the unit itself does."""
    folder, rows, network, latent_shape = transformer_run
    device, server = bottleneck.load(folder / "bundle", network)
    description = json.loads((folder / "bundle" / "bundle.json").read_text())
    assert description["unit"]["kind"] == "tokens"
    assert tuple(description["codec"]["shape"]) == latent_shape
    payloads = [device(image) for image in digits_images]
    net = bottleneck.split(network, description["split"], digits_images[:1])
    with torch.no_grad():
        expected = net.tail(device.bundle.unit(net.head(digits_images)).feature)
    received = torch.cat([server(payload) for payload in payloads])
    torch.testing.assert_close(received, expected, rtol=1e-3, atol=1e-3)
    assert abs(np.mean([len(payload) for payload in payloads]) - rows[1].payload_bytes) < 3


def test_bundle_of_tokens_measures_the_same_in_evaluate(transformer_run, tmp_path):
    """evaluate.py finds the training run's very accuracy and bytes."""
    folder, rows, network, _ = transformer_run
    overrides = [f"model={network.name}", f"split={rows[0].split}", "suite=features"]
    cfg = composed("evaluate", *overrides, f"bundles=['{folder / 'bundle'}']")
    measured = evaluate(cfg, tmp_path)
    bundle = next(row for row in measured if row.method.startswith("bundle:"))
    assert (bundle.value, bundle.payload_bytes) == (rows[1].value, rows[1].payload_bytes)


@pytest.mark.parametrize("unit", [pytest.param("residual", marks=pytest.mark.slow), "plain"])
def test_other_units_train_by_their_name(unit, tmp_path, digits_network, digits_images):
    """`python train.py unit=NAME` trains that unit, and its bundle is loaded as what it is."""
    rows = train(composed("train", f"unit={unit}", "suite=features", "unit.step=0.25"), tmp_path)
    assert rows[1].drop <= 0.1
    device, server = bottleneck.load(tmp_path / "bundle", digits_network)
    assert device.bundle.unit.kind == unit
    assert server(device(digits_images[0])).shape == (1, 10)


@pytest.mark.slow
def test_search_draws_strides_that_fit_the_grid_of_tokens(tmp_path):
    """A study over token units ends in a frontier; strides as large as the 4×4 grid are not drawn."""
    study = [
        f"study.folder={tmp_path}",
        f"study.storage=journal:///{tmp_path}/study.journal",
        "study.n_trials=2",
    ]
    limits = ["space.stride=[2,4,16]", "space.step=[0.1,0.5]", "trainer.max_epochs=2", "data.train_limit=300"]
    points = search_from(composed("search", *VIT, *study, *limits))
    assert points
    assert {point.settings["stride"] for point in points} == {2}
    device, _ = bottleneck.load(tmp_path / "frontier", models.create("digits_vit"))
    assert all(side.bundle.unit.kind == "tokens" for side in device.devices.values())
