"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # tiny tensors: more threads only wait for each other


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of this session's own, so that first-use code is run for real."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["BOTTLENECK_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def digits_network(cache_dir: Path):
    """The embedded digits network, trained once per session."""
    from bottleneck import models

    return models.create("digits_resnet", cache_dir=str(cache_dir))


@pytest.fixture(scope="session")
def data_at_hand() -> Path:
    """The folder of real data, where the environment names one."""
    folder = os.environ.get("BOTTLENECK_TEST_DATA")
    if not folder:
        pytest.skip("BOTTLENECK_TEST_DATA names no folder of real data")
    return Path(folder)
