"""From configuration to objects: the suite of untrained methods."""

import logging
import sys

from omegaconf import OmegaConf

from bottleneck.experiment import suite_methods
from bottleneck.splitting import split


def test_suite_makes_a_codec_for_each_method(digits_net):
    """Each method of the suite has the codec, the options and the shape that the configuration says."""
    suite = OmegaConf.create({"feature": {"rle-3": {"name": "rle", "bits": 3}}, "input": None})
    (method,) = suite_methods(suite, digits_net, "feature")
    assert (method.name, method.codec.bits, method.codec.shape) == ("rle-3", 3, digits_net.point.shape)
    assert suite_methods(suite, digits_net, "input") == []


def test_method_without_its_library_is_left_out_with_a_word(
    digits_network, digits_images, monkeypatch, caplog
):
    """What cannot be measured here is named with what to install, and the rest is measured."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    suite = OmegaConf.create({"input": {"raw": {"name": "raw"}, "heic-30": {"name": "heic", "quality": 30}}})
    with caplog.at_level(logging.WARNING):
        methods = suite_methods(suite, split(digits_network, "input", digits_images[:1]), "input")
    assert [method.name for method in methods] == ["raw"]
    assert "heic-30 is not measured: codec 'heic' needs" in caplog.text
    assert "pip install 'pillow-heif'" in caplog.text
