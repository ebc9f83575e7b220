"""`benchmarks/camera.py` does on little what it says it does."""

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from bottleneck import codecs, models
from bottleneck.deploy.bundle import Bundle
from bottleneck.identity import weights_identity
from bottleneck.runtime.plan import read_strategies
from bottleneck.splitting import split
from bottleneck.unit import unit_class
from tests.benchmarks.printed import tables


@pytest.mark.slow
def test_camera(run, tmp_path):
    """Frames without labels become a plan: every way agrees with the network alone as far as it does."""
    torch.manual_seed(0)
    model = models.create("yolox_nano", num_classes=3)
    weights = tmp_path / "yolox.safetensors"
    save_file(model.network.state_dict(), weights)
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    net = split(model, "dark3", images[:1]).freeze()
    with torch.no_grad():
        given = net.head(images)
        unit = (
            unit_class("depthwise").from_features(given, "CHW", latent_channels=4, step=0.5, stride=2).eval()
        )
        codec = codecs.create("range", shape=unit.latent_shape).fit(unit.symbols(given).numpy())
    where = {"model": {"name": "yolox_nano", "num_classes": 3}, "task": "single_stage"}
    bundle = Bundle(unit, codec, "dark3", weights_identity(model), (3, 64, 64), {"letterbox": 64}, **where)
    bundle.save(tmp_path / "bundle")
    (tmp_path / "frames").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / "frames" / f"{number}.png")
    given = (tmp_path / "frames", tmp_path / "bundle", "--weights", weights, "--plan", tmp_path / "plan.json")
    (rows,) = tables(run("camera", *given))
    assert len(rows) == 1 + 8 + 1
    assert all((float(row["payload_bytes"]) > 0) == (row["name"] != "device") for row in rows)
    assert read_strategies(tmp_path / "plan.json")[0].value == float(rows[0]["value"])
