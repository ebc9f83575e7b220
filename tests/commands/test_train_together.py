"""Several tensors sent together, through every command: trained, measured, bundled, loaded and exported."""

import json

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

import bottleneck
from bottleneck import codecs, models
from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate
from bottleneck.commands.train import train_and_measure as train
from bottleneck.data import Digits
from bottleneck.deploy.export import export

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning"),  # Lightning's advice is not ours to follow
]

SHORT = ("device=cpu", "trainer.enable_progress_bar=false", "data.val_limit=200", "trainer.max_epochs=8")
TOGETHER = ("split=[layer1,layer2.conv2]", "unit=asymmetric", "unit.width=16", "rate=density")


def composed(name, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(name, [*SHORT, *overrides])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    options = ("unit.latent_channels=[4,8]", "unit.step=1.0", "alpha=1", "objective=logits")
    cfg = composed("train", *TOGETHER, *options, "target_bytes=60", "also_codecs=[huffman]", "suite=features")
    return folder, train(cfg, folder)


def test_rows_count_all_that_is_sent(run):
    """One payload within 3 points, a third of any untrained codec's of the same tensors that is as good."""
    rows = {row.method: row for row in run[1]}
    own = rows["bottleneck"]
    assert own.split == "layer1+layer2.conv2"
    assert own.drop <= 0.03
    others = [row for row in run[1] if (row.kind, row.split) == ("untrained", own.split)]
    assert own.payload_bytes < min(row.payload_bytes for row in others if row.drop <= 0.03) / 3
    assert own.estimated_bpp <= own.bpp <= own.estimated_bpp + 8 * 4 / 64
    assert own.device_macs > 0
    assert rows["feature-float32"].payload_bytes == pytest.approx(4 * (32 * 64 + 64 * 16), abs=8)


def test_bundle_answers_as_it_was_measured(run, tmp_path):
    """Device and server of the bundle give the classes of `evaluate`, image by image through bytes."""
    folder, rows = run
    device, server = bottleneck.load(folder / "bundle")
    images = Digits(val_limit=200)
    images.setup()
    hits = [int(server(device(image)).argmax()) == label for image, label in images.subset("val")]
    assert np.mean(hits) == pytest.approx(next(row.value for row in rows if row.method == "bottleneck"))
    again = evaluate(composed("evaluate", TOGETHER[0], f"bundles=[{folder}/bundle]"), tmp_path)
    assert next(row.payload_bytes for row in again if row.kind == "trained") == pytest.approx(
        next(row.payload_bytes for row in rows if row.method == "bottleneck")
    )


def test_foreign_payloads_are_refused(run):
    """A payload without one of its tensors, or none at all, is no answer."""
    device, server = bottleneck.load(run[0] / "bundle")
    payload = device(torch.zeros(1, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"truncated or damaged|lost message"):
        server(payload[:1])
    with pytest.raises(ValueError, match="lost message"):
        server(b"")


def test_exported_graphs_do_the_same(run, tmp_path):
    """`torch.export`'s graphs give the device's symbols and the server's answers."""
    folder, _ = run
    network = models.create("digits_resnet")
    export(folder / "bundle", network, tmp_path / "graphs", target="torch")
    device, server = bottleneck.load(folder / "bundle")
    image = torch.randint(0, 17, (1, 1, 8, 8), dtype=torch.uint8)
    graph = torch.export.load(tmp_path / "graphs" / "device.pt2").module()
    symbols = graph(image=image)
    content = json.loads((tmp_path / "graphs" / "export.json").read_text())
    payload = codecs.from_dict(content["codec"]).encode(symbols[0].numpy())
    assert payload == device(image[0])
    answer = torch.export.load(tmp_path / "graphs" / "server.pt2").module()(coded=symbols)
    torch.testing.assert_close(answer, server(payload), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [("unit.rates=4", "target_bytes=100"), ("loss=packets",)])
def test_what_looks_at_one_latent_is_refused(options, tmp_path):
    """Several rates, and losses of channels, are for one tensor; said before anything is trained."""
    with pytest.raises(ValueError, match=r"layer1\+layer2.conv2 several tensors are sent"):
        train(composed("train", *TOGETHER, *options), tmp_path)


def test_lists_of_options_need_several_tensors(tmp_path):
    """At a closed cut an option has one value."""
    with pytest.raises(ValueError, match=r"unit.latent_channels=\[4, 8\].*at layer2 one is sent"):
        train(composed("train", "unit.latent_channels=[4,8]"), tmp_path)
