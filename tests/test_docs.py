"""The documentation: its site builds, its commands and its Python run as written."""

import ast
import importlib.metadata
import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections import OrderedDict
from functools import partial
from operator import attrgetter
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from pytorch_lightning import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bottleneck
from bottleneck.commands.config import config_dir
from bottleneck.measure.results import read_results

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
TOLD = [README, *PAGES]
# A block of ```sh or ```python runs as it stands; one of ```text or ```py needs what only a reader has.
GUIDES = [page for page in TOLD if "```sh" in page.read_text()]
SCRIPTED = [
    pytest.param(page, marks=pytest.mark.slow if "bottleneck.train(" in text else ())
    for page in TOLD
    if "```python\n" in (text := page.read_text())
]
FRAGMENTS = [page for page in TOLD if "```py\n" in page.read_text()]
FROM_COMMANDS = re.compile(r"\"(outputs|studies)/")  # Python that goes on from what a page's commands wrote
ENDLESS = ("demo", "serve", "stream")
BRIEF = ("trainer.max_epochs=1", "data.val_limit=200")  # a page's own, which stand behind them, win
#: A page's run, and how its text tells the frozen network's metric, the unit's, and its bytes.
QUOTED = {
    "segmentation": ("outputs/scenes", "has mIoU {} on 500 of them; the bottleneck keeps {} in {}"),
}
#: Python of a page trains for a step or two, on noise.
ON_NOISE = pytest.mark.filterwarnings(
    "ignore:.*number of training batches",
    "ignore:.*does not have many workers",
    "ignore:This unit sends nothing",
)


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """Language and text of a page's blocks, in its order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.M | re.S)
    return [(language, text) for language, text in found if language in languages]


def commands(text: str) -> list[list[str]]:
    """A block's commands, each in the words that a shell makes of it; other lines are drawings or files."""
    lines = text.replace("\\\n", " ").replace("&&", "\n").splitlines()
    return [
        shlex.split(line, comments=True) for line in lines if re.match(r"\s*(python|bottleneck|pip) ", line)
    ]


def needs_a_reader(words: list[str]) -> bool:
    """Whether a command needs data of a reader's own, or goes on until a reader ends it."""
    return words[1] in ENDLESS or re.search(r"=\S*(PATH|my_package)", " ".join(words)) is not None


def numbers(page: Path, told: str) -> list[float]:
    """The numbers that stand in a page's sentence in the places of `{}`."""
    words = " ".join(page.read_text().split())
    return [float(each) for each in re.search(re.escape(told).replace(r"\{\}", r"([\d.]+)"), words).groups()]


def to_run(text: str) -> list[list[str]]:
    """A block's commands that need no reader."""
    return [words for words in commands(text) if not needs_a_reader(words)]


def how_many(page: Path) -> int:
    """How many commands of a page are run: where two processes share the pages, the longest goes first."""
    return sum(len(to_run(text)) for _, text in blocks(page, "sh"))


def check(words: list[str]) -> None:
    """What a command names is there: a file, a module, extras, or a command's keys and their choices."""
    program, name, *arguments = words
    if program == "pip":
        extras = importlib.metadata.metadata("split-bottleneck").get_all("Provides-Extra")
        assert set(re.findall(r"[\w-]+", arguments[-1].partition("[")[2])) <= set(extras)
    elif name == "-m":
        assert importlib.util.find_spec(arguments[0])
    else:
        assert program == "bottleneck" or (ROOT / name).is_file()
        if "-m" in arguments:  # several values: the first
            arguments = [re.sub(r"=([^,]*),.*", r"=\1", word) for word in arguments if word != "-m"]
        with initialize_config_dir(config_dir(), version_base="1.3"):
            compose(name.removesuffix(".py"), arguments)


def run(code: str, page: Path, names: dict) -> None:
    exec(compile(code, str(page), "exec"), names)


class Digit(LightningModule):
    """A module of a reader's: nothing but what Lightning demands."""

    def __init__(self):
        super().__init__()
        layers = [
            ("layer3", nn.Conv2d(1, 16, 3, padding=1)),
            ("flat", nn.Flatten()),
            ("fc", nn.Linear(1024, 10)),
        ]
        self.model = nn.Sequential(OrderedDict(layers))

    def training_step(self, batch, index):
        x, y = batch
        return nn.functional.cross_entropy(self.model(x), y)

    def test_step(self, batch, index):
        self.log("loss", self.training_step(batch, index))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def brought(digits_images):
    """What only a reader has, by the names that pages give it."""
    data = TensorDataset(digits_images.float() / 16, torch.arange(len(digits_images)) % 10)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return {
        "bottleneck": bottleneck,
        "image": digits_images[0],
        "Trainer": partial(Trainer, max_epochs=1, logger=False, accelerator="cpu", **quiet),
        "your_module": Digit(),
        "your_data": DataLoader(data, batch_size=8),
    }


@pytest.fixture(scope="module")
def build():
    pytest.importorskip("zensical", reason="the extra `docs` is not installed")
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_configuration_page_names_nested_keys(tmp_path, build):
    """A key's row has its group, its parents, its default and its comment, and a table's bar is escaped."""
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit" / "one.yaml").write_text("# A unit.\nwidth: 3 # wide\ninner:\n  depth: 1 # a|b\n")
    page = build.configuration(tmp_path)
    assert "## `unit=one`\n\nA unit." in page
    assert "| `unit.width` | `3` | wide |" in page
    assert "| `unit.inner.depth` | `1` | a\\|b |" in page


def test_every_page_is_in_the_navigation():
    """No page or notebook is written that a reader cannot reach."""
    navigation = (ROOT / "zensical.toml").read_text()
    pages = [*PAGES, *(path.with_suffix(".md") for path in NOTEBOOKS)]
    assert [page.name for page in pages if page.relative_to(ROOT / "docs").as_posix() not in navigation] == []


def test_a_notebook_is_a_page_of_its_cells(tmp_path, build):
    """Text stays text, code becomes a block, and the notebook itself is linked below its title."""
    cells = [("markdown", ["# Title\n", "\n", "Text."]), ("code", ["a = 1\n", "a"])]
    book = {"cells": [{"cell_type": kind, "source": source} for kind, source in cells]}
    (tmp_path / "one.ipynb").write_text(json.dumps(book))
    page = build.notebook(tmp_path / "one.ipynb")
    assert page.startswith("# Title\n\nText.\n\n")
    assert "[one.ipynb](one.ipynb)" in page
    assert page.endswith("```python\na = 1\na\n```\n")


def test_fences_name_one_language():
    """A fence names one word or none: with two the site reads it as text, and what stands behind it too."""
    opened = {page.stem: re.findall(r"^```(.+)", page.read_text(), re.M) for page in PAGES}
    assert {page: words for page, names in opened.items() if (words := [n for n in names if " " in n])} == {}


def test_site_builds_without_a_warning(build):
    """Every link of every page leads somewhere, and nothing is loaded from elsewhere."""
    build.main()
    site = ROOT / "build" / "site"
    loaded = [
        address
        for page in site.rglob("*.html")
        for address in re.findall(
            r"<(?:script|img)[^>]+src=\"(https?:[^\"]+)|<link[^>]+rel=\"stylesheet\"[^>]+href=\"(https?:[^\"]+)",
            page.read_text(),
        )
    ]
    assert loaded == []


@pytest.mark.sampled(8)
@pytest.mark.parametrize("page", TOLD, ids=lambda page: page.stem)
def test_commands_that_a_reader_has_to_run_name_what_there_is(page):
    """Commands that no test runs, as they need a reader's data, have keys, choices and extras that exist."""
    for language, text in blocks(page, "", "sh", "text"):
        for words in commands(text):
            if language != "sh" or needs_a_reader(words):
                check(words)


@pytest.mark.parametrize("page", SCRIPTED, ids=lambda page: page.stem)
@ON_NOISE
def test_python_of_a_page_runs(page, brought, tmp_path, monkeypatch):
    """The Python of a page runs from top to bottom, but for what goes on from its commands."""
    monkeypatch.chdir(tmp_path)
    for _, code in blocks(page, "python"):
        if not FROM_COMMANDS.search(code):
            run(code, page, brought)


@pytest.mark.parametrize("page", FRAGMENTS, ids=lambda page: page.stem)
def test_fragments_name_what_there_is(page):
    """Python that needs what only a reader has is Python, and what it takes from the package is there."""
    for _, code in blocks(page, "py"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "bottleneck":
                module = importlib.import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
            elif isinstance(node, ast.Attribute) and re.fullmatch(r"bottleneck[\w.]+", ast.unparse(node)):
                attrgetter(ast.unparse(node).removeprefix("bottleneck."))(bottleneck)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", sorted(GUIDES, key=how_many, reverse=True), ids=lambda page: page.stem)
@ON_NOISE
def test_a_page_runs_as_written(page, brought, run_command, tmp_path, monkeypatch):
    """Commands and Python of a page run one after the other, in one folder, as they are written.

    Where the page has numbers of a run, they are found again, within what another processor's rounding
    changes; elsewhere an epoch and some images are enough to see that a command runs.
    """
    monkeypatch.chdir(tmp_path)
    for language, text in blocks(page, "sh", "python"):
        if language == "python":
            run(text, page, brought)
            continue
        for words in to_run(text):
            program, *arguments = words
            if program == "python":  # train.py and evaluate.py are names of the commands
                arguments[0] = arguments[0].removesuffix(".py")
            if arguments[0] in ("train", "search") and page.stem not in QUOTED:
                flags = [word for word in arguments if word.startswith("-")]
                arguments[1 + len(flags) : 1 + len(flags)] = BRIEF
            done = run_command(*arguments)
            assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr[-2000:]}"
    if page.stem in QUOTED:
        folder, told = QUOTED[page.stem]
        frozen, unit, *untrained = read_results(Path(folder) / "results.jsonl")
        frozen_value, unit_value, payload_bytes = numbers(page, told)
        assert frozen.value == pytest.approx(frozen_value, abs=0.001)
        assert unit.value == pytest.approx(unit_value, abs=0.03)
        assert unit.payload_bytes == pytest.approx(payload_bytes, rel=0.1)
        (rle,) = (row for row in untrained if row.method == "rle-2")
        assert unit.payload_bytes <= rle.payload_bytes / 2


@pytest.mark.slow
def test_the_first_run_gives_what_readme_says(tmp_path):
    """Accuracy and bytes of the quick start, within what another processor's rounding changes."""
    command = [sys.executable, str(ROOT / "train.py"), f"hydra.run.dir={tmp_path}"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    methods = {row["method"]: row for row in rows}
    told = "{} % from {} bytes, where the frozen network has {} %, the packed image takes {} bytes"
    value, size, frozen, packed = numbers(README, told)
    assert 100 * methods["bottleneck"]["value"] == pytest.approx(value, abs=1)
    assert methods["bottleneck"]["payload_bytes"] == pytest.approx(size, rel=0.1)
    assert 100 * methods["frozen"]["value"] == pytest.approx(frozen)
    assert methods["packed-input"]["payload_bytes"] == packed


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    """A notebook runs from top to bottom in an empty folder."""
    nbclient = pytest.importorskip("nbclient", reason="the extra `docs` is not installed")
    import nbformat

    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(book, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()


def test_the_package_page_shows_nothing_that_is_not_there():
    """README as the distribution has it: no picture and no link of the checkout, which an index lacks."""
    made = [sys.executable, "-m", "hatch_fancy_pypi_readme"]
    page = subprocess.run(made, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout
    assert page.startswith("# bottleneck")
    assert not re.findall(r"\]\((?!https?:)[^)]*\)", page)
    assert "[Datta et al., ICPR 2022](https://arxiv.org/abs/2208.11596)" in page
