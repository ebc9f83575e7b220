"""Experiments on Imagenette, from their files to a bundle, on small pictures."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from bottleneck.commands.config import config_dir
from bottleneck.commands.train import train_and_measure as train
from bottleneck.data.imagenet import IMAGENETTE_WNIDS
from bottleneck.deploy.bundle import Bundle

NAMED = ("imagenette", "imagenette_mid", "imagenette_early")  # by scripts of others
EXPERIMENTS = [
    pytest.param(file.stem, marks=[pytest.mark.slow] * (file.stem not in NAMED))
    for file in sorted(Path(config_dir()).glob("experiment/imagenette*.yaml"))
]

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # Lightning's advice is not ours to follow here


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three pictures of noise of each class to train on, and one to measure on."""
    root, rng = tmp_path_factory.mktemp("imagenette"), np.random.default_rng(0)
    for part, count in (("train", 3), ("val", 1)):
        for wnid in IMAGENETTE_WNIDS:
            (root / part / wnid).mkdir(parents=True)
            for number in range(count):
                noise = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
                Image.fromarray(noise).save(root / part / wnid / f"{number}.png")
    return root


@pytest.mark.sampled(1)
@pytest.mark.parametrize("wanted", ["as it is", pytest.param("target_drop=0.5", marks=pytest.mark.slow)])
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiment_trains_and_leaves_a_bundle(experiment, wanted, pictures, tmp_path):
    """For an epoch, on small pictures, also where a drop is asked for in place of the file's bytes."""
    overrides = [
        f"experiment={experiment}",
        f"data.root={pictures}",
        "data.short_side=64",
        "data.crop=64",
        "data.batch_size=8",
        "data.views=1",
        "trainer.max_epochs=1",
        "trainer.enable_progress_bar=false",
        "suite.feature=null",
        "also_codecs=[]",
        f"cache.dir={tmp_path / 'cache'}",
        "device=cpu",
    ]
    if "resnet" in experiment:
        overrides.append("model.weights=null")
    if wanted != "as it is":
        overrides += [wanted, "data.holdout=0.3"]
    with initialize_config_dir(config_dir(), version_base="1.3"):
        _, trained = train(compose("train", overrides), tmp_path)
    bundle = Bundle.read(tmp_path / "bundle")
    assert (bundle.split, bundle.result["payload_bytes"]) == (trained.split, trained.payload_bytes)
