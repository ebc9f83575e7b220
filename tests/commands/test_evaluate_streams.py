"""`evaluate.py suite=stream`: frames in order, judged by what the frozen network says of them."""

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate
from bottleneck.deploy.bundle import Bundle
from bottleneck.measure.results import read_results

FEW = ("device=cpu", "suite=stream", "~suite.feature.motion", "~suite.feature.tolerant", "data.val_limit=40")


def rows(tmp_path, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        evaluate(compose("evaluate", [*FEW, *overrides]), tmp_path)
    return {row.method: row for row in read_results(tmp_path / "results.jsonl")}


@pytest.mark.usefixtures("digits_network")
def test_bytes_differ_and_results_do_not(tmp_path, digits_bundle):
    """On a pan over digits exact methods agree alike with the network, conditional tables in fewer bytes."""
    found = rows(tmp_path, f"bundles='{digits_bundle}'", "also_codecs=[stream]")
    assert found["frozen"].agreement == found["feature-float32"].agreement == 1
    for levels in (16, 32, 64):
        methods = [found[f"{name}-{levels}"] for name in ("intra", "difference", "conditional")]
        assert len({(row.agreement, row.value) for row in methods}) == 1
        assert methods[2].payload_bytes < min(methods[0].payload_bytes, methods[1].payload_bytes)
    latent = f"bundle:{Bundle.read(digits_bundle).id}"
    assert found[f"{latent}-stream"].agreement == found[latent].agreement


@pytest.mark.slow
@pytest.mark.usefixtures("digits_network")
def test_folder_of_frames_is_a_stream(tmp_path):
    """Plain frames without labels are enough; a camera at rest takes half of intra's bytes and less."""
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, (24, 32, 3), np.uint8)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(24):
        still[rng.integers(24), rng.integers(32)] = 255
        Image.fromarray(still).save(folder / f"{number:02}.png")
    found = rows(tmp_path, f"data.root={folder}")
    assert found["frozen"].n == 20
    assert found["conditional-32"].payload_bytes < found["intra-32"].payload_bytes / 2
    assert found["conditional-32"].agreement == found["intra-32"].agreement
