"""Evaluation refuses what does not belong together before it costs anything."""

import pytest
from hydra import compose, initialize_config_dir

from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate
from bottleneck.deploy.bundle import Bundle


def test_a_bundle_of_another_network_is_refused_by_name(bundle_folder, tmp_path, monkeypatch):
    """Names are compared before any network is made."""
    bundle = Bundle.read(bundle_folder)
    bundle.model = {"_target_": "bottleneck.models.create", "name": "digits_vit"}
    bundle.save(bundle_folder)
    monkeypatch.setattr("bottleneck.models.create", lambda *_, **__: pytest.fail("a network was made"))
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("evaluate", [f"bundles=[{bundle_folder}]"])
    with pytest.raises(
        ValueError, match=r"trained in 'digits_vit', and model\.name='digits_resnet' is to be"
    ):
        evaluate(cfg, tmp_path)
