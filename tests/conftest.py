"""Fixtures that several test files share."""

import gc
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bottleneck.integrity import description
from tests.browser import Chromium

torch.set_num_threads(1)  # tiny tensors: more threads only wait for each other


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is slow
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that is `sampled(n)`, n cases spread over all of them run by default; the others are slow."""
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled"):
            cases[item.nodeid.partition("[")[0]].append(item)
    for of_one in cases.values():
        (count,) = of_one[0].get_closest_marker("sampled").args
        kept = {round(number) for number in np.linspace(0, len(of_one) - 1, count)}
        for number, item in enumerate(of_one):
            if number not in kept:
                item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of this session's own, so that features are made for real."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["BOTTLENECK_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def garbage_is_the_modules() -> None:
    """Garbage is looked for in what a module made: in all that lives it takes seconds, which tests count."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def loggers_stay() -> Iterator[None]:
    """What a command or a script does to loggers (Hydra silences older ones) ends with the test."""
    before = {logger: (logger.level, logger.disabled) for logger in _loggers()}
    yield
    for logger in _loggers():
        level, logger.disabled = before.get(logger, (logger.level, False))
        if logger.level != level:
            logger.setLevel(level)


def _loggers() -> list[logging.Logger]:
    root = logging.getLogger()
    known = list(root.manager.loggerDict.values())
    return [root, *(logger for logger in known if isinstance(logger, logging.Logger))]


@pytest.fixture
def run_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command, `run_command("train", "seed=1")`, in this process: another one would import anew."""
    from bottleneck.commands import main

    monkeypatch.setenv("TQDM_DISABLE", "1")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # a command sets it
        monkeypatch.setattr(sys, "argv", ["bottleneck", *words])
        monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-m", "bottleneck", *words])
        code: Any = 0
        capsys.readouterr()
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of different sizes: 12 dark and 12 bright ones to train on, 6 of each to validate."""
    root, generator = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for part, count in (("train", 12), ("val", 6)):
        for label in range(2):
            folder = root / part / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                size = (40 + 3 * number, 36)
                pixels = generator.integers(90 * label, 90 * label + 120, (*size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def digits_network():
    """The embedded digits network."""
    from bottleneck import models

    return models.create("digits_resnet")


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
    from bottleneck.deploy.bundle import Bundle
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
def coco_folder(tmp_path_factory) -> Path:
    """A small folder in COCO's own format. Not to be changed.

    Each part has eight photographs of 90×120 or 120×90 pixels, numbered from 1, with a square person of
    50×50 pixels at (10, 20), a square dog of 30×30 pixels at (40, 50) that overlaps its lower right corner,
    a kite (no class of VOC's) in a corner, and in the second a crowd of persons as run lengths. The last
    two have nothing but a small person, and nothing at all.
    """
    root = tmp_path_factory.mktemp("coco")
    rng = np.random.default_rng(0)
    (root / "annotations").mkdir()

    def square(left: int, top: int, side: int) -> list[list[int]]:
        right, bottom = left + side, top + side
        return [[left, top, right, top, right, bottom, left, bottom]]

    for part in ("train", "val"):
        (root / f"{part}2017").mkdir()
        images, annotations = [], []

        def annotate(image, category, segmentation, box, area, annotations=annotations, iscrowd=0):
            about = {
                "id": len(annotations) + 1,
                "image_id": image,
                "category_id": category,
                "iscrowd": iscrowd,
            }
            annotations.append({**about, "segmentation": segmentation, "bbox": box, "area": area})

        for number in range(1, 9):
            height, width = (90, 120) if number % 2 else (120, 90)
            pixels = rng.integers(0, 60, (height, width, 3)).astype(np.uint8)
            if number <= 6:
                pixels[20:70, 10:60, 0] += 150
                pixels[50:80, 40:70, 1] += 150
                annotate(number, 1, square(10, 20, 50), [10, 20, 50, 50], 2500)
                annotate(number, 18, square(40, 50, 30), [40, 50, 30, 30], 900)
                annotate(number, 38, square(0, 0, 9), [0, 0, 9, 9], 81)
            if number == 2:
                runs = {"size": [height, width], "counts": [80 * height, 10 * height]}
                annotate(number, 1, runs, [80, 0, 10, height], 10 * height, iscrowd=1)
            if number == 7:
                annotate(number, 1, square(5, 5, 10), [5, 5, 10, 10], 100)
            name = f"{number:012}.jpg"
            Image.fromarray(pixels).save(root / f"{part}2017" / name, quality=95)
            images.append({"id": number, "file_name": name, "height": height, "width": width})
        content = {"images": images[::-1], "annotations": annotations, "categories": []}
        (root / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(content))
    return root


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


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A browser."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None or not hasattr(os, "posix_spawn"):
        pytest.skip(f"none of {names} is on PATH")
    browser = Chromium(executable, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(params=["torch.compile", "DataParallel", "DistributedDataParallel", "AveragedModel"])
def wrapping(request, tmp_path, monkeypatch) -> Iterator[Callable[[torch.nn.Module], torch.nn.Module]]:
    """Puts a network into one of PyTorch's wrappers; a distributed one has a group of this process alone."""
    from torch import distributed, nn
    from torch.optim.swa_utils import AveragedModel

    makes: dict[str, Callable[[nn.Module], Any]] = {
        "torch.compile": lambda network: torch.compile(network, backend="eager"),
        "DataParallel": nn.DataParallel,
        "DistributedDataParallel": nn.parallel.DistributedDataParallel,
        "AveragedModel": AveragedModel,
    }
    if request.param != "DistributedDataParallel":
        yield makes[request.param]
        return
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield makes[request.param]
    distributed.destroy_process_group()


@pytest.fixture
def most_memory() -> Callable[..., tuple[Any, int]]:
    """Calls a function; what it gives, and by how many bytes this process's memory rose at most."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        pytest.skip("only Linux says how much memory a step took")

    def memory(field: str) -> int:
        (line,) = (line for line in status.read_text().splitlines() if line.startswith(field))
        return 1024 * int(line.split()[1])

    def call(function: Callable[..., Any], *arguments: Any) -> tuple[Any, int]:
        reset.write_text("5")  # forgets the most so far
        before = memory("VmRSS")
        made = function(*arguments)
        return made, memory("VmHWM") - before

    return call


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are written, while they can still be asked."""
    from matplotlib.figure import Figure

    figures, save = [], Figure.savefig

    def keep(figure: Figure, path: Path, **options: Any) -> None:
        figures.append(figure)
        save(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


@pytest.fixture
def rewrite() -> Callable[..., None]:
    """Forges a description: changes fields, and writes a right checksum again; `...` removes a field."""

    def forge(file: Path, **changes: Any) -> None:
        content = {**json.loads(file.read_text()), **changes}
        content.pop("checksum", None)
        kept = {key: value for key, value in content.items() if value is not ...}
        description.write(file, kept.pop("format"), kept.pop("version"), kept)

    return forge
