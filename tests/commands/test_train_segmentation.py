"""Segmentation through the same commands: trained, measured, searched, loaded on both sides."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from safetensors.torch import save_file

import bottleneck
from bottleneck import models
from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate
from bottleneck.commands.search import search_from
from bottleneck.commands.train import train_and_measure as train
from bottleneck.data import SemanticCoco, SemanticScenes
from bottleneck.models.embedded import EMBEDDED
from bottleneck.show.tables import table

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # Lightning's advice is not ours to follow here

SHORT = ("device=cpu", "trainer.enable_progress_bar=false", "trainer.max_epochs=1", "task=segmentation")
SMALL = ("data.train_scenes=40", "data.val_scenes=12", "data.batch_size=8")


def composed(name, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(name, [*SHORT, *overrides])


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Random weights of the embedded network: training the real ones takes a minute."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(EMBEDDED["scenes_segmenter"]().network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights):
    """A short run on a few scenes: its folder and rows."""
    folder = tmp_path_factory.mktemp("run")
    cfg = composed("train", *SMALL, f"model.weights={weights}")
    return folder, train(cfg, folder)


def test_every_row_is_judged_by_miou(run):
    """Rows have segmentation's metrics, baseline and intervals; a lossless feature loses nothing."""
    rows = {row.method: row for row in run[1]}
    assert {"frozen", "bottleneck", "bottleneck-huffman", "feature-float32", "rle-2"} <= set(rows)
    assert {(row.task, row.metric, row.n, row.split) for row in run[1]} == {
        ("segmentation", "miou", 12, "layer3")
    }
    assert set(rows["bottleneck"].metrics) == {"miou", "pixel_accuracy"}
    assert rows["feature-float32"].drop_interval == (0, 0)
    low, high = rows["bottleneck"].value_interval
    assert low <= rows["bottleneck"].value <= high
    assert rows["bottleneck"].bpp == pytest.approx(8 * rows["bottleneck"].payload_bytes / 64**2)


def test_server_makes_the_mask_that_was_measured(run, weights):
    """Masks from `server(device(image))` have the run's accuracy and bytes."""
    folder, rows = run
    network = models.create("scenes_segmenter", weights=str(weights))
    device, server = bottleneck.load(folder / "bundle", network)
    scenes = SemanticScenes(train_scenes=40, val_scenes=12).subset("val")
    payloads = [device(image.numpy()) for image, _ in scenes]
    masks = torch.cat([server(payload) for payload in payloads])
    assert (masks.shape, masks.dtype) == ((12, 64, 64), torch.int64)
    truth = torch.stack([mask for _, mask in scenes])
    assert float((masks == truth).float().mean()) == pytest.approx(rows[1].metrics["pixel_accuracy"])
    assert np.mean([len(payload) for payload in payloads]) == pytest.approx(rows[1].payload_bytes)
    logits = server.output(payloads[0])
    assert logits.shape == (1, 11, 64, 64)
    assert logits.argmax(1).equal(masks[:1])


def test_bundle_measures_the_same_in_evaluate(run, weights, tmp_path):
    """evaluate.py finds the training run's mIoU and bytes again."""
    folder, rows = run
    overrides = [*SMALL, f"model.weights={weights}", f"bundles=['{folder / 'bundle'}']", "suite.feature=null"]
    measured = evaluate(composed("evaluate", *overrides), tmp_path)
    assert measured[1].method.startswith("bundle:")
    assert (measured[1].value, measured[1].payload_bytes) == (rows[1].value, rows[1].payload_bytes)
    assert (tmp_path / "report.html").is_file()


@pytest.mark.slow
def test_study_ends_in_a_frontier_of_masks(weights, tmp_path):
    """The search ranks by mIoU, and its frontier answers with masks."""
    where = [f"study.folder={tmp_path}", f"study.storage=journal:///{tmp_path}/study.journal"]
    few = ["study.n_trials=2", "space.step=[0.1, 0.5]", "study.pruning.after=null", "suite=features"]
    points = search_from(composed("search", *SMALL, *where, *few, f"model.weights={weights}"))
    assert points
    network = models.create("scenes_segmenter", weights=str(weights))
    device, server = bottleneck.load(tmp_path / "frontier", network)
    image, _ = SemanticScenes(train_scenes=40, val_scenes=12).subset("val")[0]
    assert server(device(image, point=0)).shape == (1, 64, 64)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["deeplabv3_s2", "deeplabv3_s1", "deeplabv3_s1_closed"])
def test_deeplab_runs_on_files_in_cocos_format(experiment, coco_folder, tmp_path):
    """Experiments train and measure; what can be deployed is exported, the rest flagged."""
    small = [
        "data.short_side=97",
        "data.crop=97",
        "data.batch_size=3",
        "suite.feature=null",
        "also_codecs=[]",
        "unit.step=0.2",
    ]
    torch.manual_seed(0)  # of the network's random weights
    cfg = composed(
        "train", f"experiment={experiment}", f"data.root={coco_folder}", "model.weights=null", *small
    )
    _, row = train(cfg, tmp_path)
    shape = {"deeplabv3_s2": (32, 4, 4)}.get(experiment, (8, 2, 2))
    assert (row.dataset, row.n, row.metric) == ("coco_voc", 6, "miou")
    assert 0 < row.payload_bytes < 2 * np.prod(shape)
    if experiment == "deeplabv3_s1":
        assert row.beside == ["backbone"]
        assert not (tmp_path / "bundle").exists()
        assert "classifier.0.convs.1 (open: not remote)" in table([row])
        assert "the tail also reads backbone" in table([row])
        return
    assert row.beside == []
    assert "not remote" not in table([row])
    bundle = bottleneck.deploy.bundle.Bundle.read(tmp_path / "bundle")
    assert (bundle.task, bundle.preprocessing) == ("segmentation", {"short_side": 97, "crop": 97})
    assert bundle.unit.latent_shape == shape
    assert SemanticCoco(coco_folder, crop=97, short_side=97).image_shape == bundle.image_shape


def test_open_cuts_are_for_training_only(tmp_path):
    """Search and evaluation, which deal in bundles, refuse open cuts by their key."""
    with pytest.raises(ValueError, match=r"open_cut=true is for train\."):
        search_from(composed("search", "open_cut=true"))
    with pytest.raises(ValueError, match=r"open_cut=true is for train\."):
        evaluate(composed("evaluate", "open_cut=true"), tmp_path)
