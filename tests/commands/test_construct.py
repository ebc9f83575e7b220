"""What the configuration's lists and mappings are to whoever is constructed from them."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

import bottleneck
from bottleneck.commands.construct import construct


def test_constructors_get_plain_lists_and_mappings():
    """At any depth, beside options of the call, and in what is to be completed later."""
    node = {"_target_": "builtins.dict", "sides": [1, [2]], "inner": {"_target_": "builtins.dict", "a": [{}]}}
    made = construct(OmegaConf.create(node), sides=[3, [4]])
    assert made == {"sides": [3, [4]], "inner": {"a": [{}]}}
    found = (made["sides"], made["sides"][1], made["inner"]["a"], made["inner"]["a"][0])
    assert [type(part) for part in found] == [list, list, list, dict]
    later = construct(OmegaConf.create({"_target_": "builtins.dict", "_partial_": True, "sides": [1]}))
    assert type(later()["sides"]) is list
    assert construct(None) is None


def test_huggingface_takes_lists_from_the_configuration():
    """Depths of stages are lists, which transformers checks the type of."""
    pytest.importorskip("transformers", reason="extra `huggingface` is not installed")
    config = {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 16, 16], "num_attention_heads": [1, 1, 2, 2]}
    target = {"_target_": "bottleneck.models.from_huggingface", "name": "segformer", "config": config}
    network = construct(OmegaConf.create(target)).network
    assert network.config.depths == [1, 1, 1, 1]


def test_commands_construct_in_one_way():
    """Nothing else of the package calls Hydra's own function."""
    sources = Path(bottleneck.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if "instantiate(" in path.read_text()] == ["construct.py"]
