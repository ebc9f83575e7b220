"""`benchmarks/scenes_picture.py` does on little what it says it does."""

import numpy as np
import pytest
import torch
from PIL import Image

from bottleneck import codecs, models
from bottleneck.data import DetectionScenes, SemanticScenes
from bottleneck.deploy.bundle import Bundle
from bottleneck.identity import weights_identity
from bottleneck.splitting import split
from bottleneck.unit import unit_class
from tests.benchmarks.printed import is_picture


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("scenes", "kind", "at", "name"),
    [
        (SemanticScenes, "depthwise", "layer3", "scenes_segmenter"),
        (DetectionScenes, "slim", "layer1", "scenes_detector"),
    ],
)
def test_scenes_picture(run, weights, tmp_path, scenes, kind, at, name):
    """A bundle's payloads are drawn beside what is there and what the frozen network finds."""
    data = scenes()
    path = weights(name)
    network = models.create(name, str(path))
    images = torch.stack([data.subset("val")[n][0] for n in range(2)])
    made = unit_class(kind)
    net = split(network, at, images[:1], made.replaces).freeze()
    with torch.no_grad():
        given = net.head(images)
        replaced = {"replaced": net.at_cut(given)} if made.replaces else {}
        unit = made.from_features(given, "CHW", latent_channels=4, step=0.05, stride=1, **replaced).eval()
        codec = codecs.create("range", shape=unit.latent_shape).fit(unit.symbols(given).numpy())
    task = {"scenes_segmenter": "segmentation", "scenes_detector": "detection"}[name]
    where = {"model": {"name": name, "weights": str(path)}, "task": task}
    identity = weights_identity(network)
    Bundle(unit, codec, at, identity, data.image_shape, data.preprocessing, **where).save(tmp_path / "bundle")
    run("scenes_picture", tmp_path / "bundle", tmp_path / "a.png")
    assert is_picture(tmp_path / "a.png")
    assert np.asarray(Image.open(tmp_path / "a.png")).std() > 10
