"""Fixtures that several test files share."""

import json
import os
import re
import shutil
from collections.abc import Callable
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
def digits_images() -> torch.Tensor:
    """The first forty validation digits, uint8 `(40, 1, 8, 8)`."""
    from bottleneck.data import Digits

    samples = Digits().subset("val")
    return torch.stack([samples[i][0] for i in range(40)])


@pytest.fixture(scope="session")
def digits_net(digits_network, digits_images):
    """The digits network, cut at `layer2` and frozen."""
    from bottleneck.splitting import split

    return split(digits_network, "layer2", digits_images[:1]).freeze()


@pytest.fixture(scope="session")
def digits_bundle(tmp_path_factory, digits_network, digits_net, digits_images) -> Path:
    """An untrained unit as a bundle: wrong about digits, but complete. Not to be changed."""
    from bottleneck import codecs
    from bottleneck.bundle import Bundle
    from bottleneck.models import weights_identity
    from bottleneck.unit import BottleneckUnit

    torch.manual_seed(0)
    unit = BottleneckUnit(64, 8, 2, 0.05, (4, 4)).eval()
    codec = codecs.create("range", shape=unit.latent_shape)
    with torch.no_grad():
        codec.fit(unit.symbols(digits_net.head(digits_images)).numpy())
    network = weights_identity(digits_network)
    folder = tmp_path_factory.mktemp("digits") / "bundle"
    Bundle(unit, codec, "layer2", network, (1, 8, 8), result={"value": 0.9}).save(folder)
    return folder


@pytest.fixture
def bundle_folder(tmp_path, digits_bundle) -> Path:
    """A copy of the digits' bundle, for tests to change."""
    return Path(shutil.copytree(digits_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def data_at_hand() -> Path:
    """The folder of real data, where the environment names one."""
    folder = os.environ.get("BOTTLENECK_TEST_DATA")
    if not folder:
        pytest.skip("BOTTLENECK_TEST_DATA names no folder of real data")
    return Path(folder)


@pytest.fixture(scope="session")
def report_content() -> Callable[[Path], dict]:
    """Reads what a written `report.html` carries."""

    def read(path: Path) -> dict:
        carried = re.search(r'id="report">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
        assert carried is not None
        return json.loads(carried.group(1))

    return read
