"""What several of these test files need."""

from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

import bottleneck

#: What Lightning and PyTorch say of trainings as short as these.
QUIET = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*number of training batches",
    "ignore:.*sampler has shuffling enabled",
    "ignore:You defined a `validation_step`",
    "ignore:Found .* in eval mode",  # a second fit finds the network frozen
    "ignore:The .grad attribute of a Tensor that is not a leaf",  # Dynamo's own, where its graph is broken
    "ignore:You're using the WeightAveraging callback with a model that overrides",  # nothing is sharded
)


def make_plugin(at="stage", **options):
    defaults = {"latent_channels": 8, "stride": 2, "step": 0.05, "alpha": 3.0, "scheduler": None}
    return bottleneck.BottleneckPlugin(at=at, **{**defaults, **options})


def tensors_of(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same(before, after):
    assert list(before) == list(after)
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name


def in_order(loader):
    return DataLoader(loader.dataset, batch_size=32)


def export(plugin, trainer):
    folder = Path(trainer.default_root_dir) / "bundle"
    plugin.export(folder)
    return folder
