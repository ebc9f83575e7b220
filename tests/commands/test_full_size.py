"""Experiments of ImageNet's size on random weights and a few pictures: everything but the numbers."""

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from PIL import Image

from bottleneck import models
from bottleneck.commands.config import config_dir
from bottleneck.commands.train import train_and_measure as train
from bottleneck.deploy.bundle import Bundle
from bottleneck.splitting import split_points

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of noise."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("images")
    for part in ("train", "val"):
        for label in ("a", "b"):
            (root / part / label).mkdir(parents=True)
            for number in range(3):
                pixels = rng.integers(0, 256, (224, 224, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(root / part / label / f"{number}.png")
    return root


@pytest.mark.parametrize(
    ("experiment", "share"),
    [("resnet50_early", 0.125), ("resnet50_s1", 1.0), ("resnet50_s4", 0.75)],
)
def test_experiment_runs_and_costs_the_device_what_it_says(experiment, share, folder, tmp_path):
    """Trained for a step, measured and bundled; the device's work is the share that the file names."""
    overrides = [
        f"experiment={experiment}",
        "data=imagefolder",
        f"data.root={folder}",
        "data.batch_size=2",
        "data.holdout=0",
        "model.weights=null",
        "model.num_classes=2",
        "warm_start.epochs=0",
        "trainer.max_epochs=1",
        "trainer.enable_progress_bar=false",
        "suite.feature=null",
        "also_codecs=[]",
        "cache.enabled=false",
        "device=cpu",
    ]
    with initialize_config_dir(config_dir(), version_base="1.3"):
        rows = train(compose("train", overrides), tmp_path)
    own = next(row for row in rows if row.kind == "trained")
    last = split_points(
        models.create("resnet50", weights=None), torch.zeros(1, 3, 224, 224, dtype=torch.uint8)
    )[-1]
    assert own.payload_bytes >= 1
    assert own.device_macs * last.macs_share / last.macs == pytest.approx(share, abs=0.01)
    assert Bundle.read(tmp_path / "bundle").split == own.split
