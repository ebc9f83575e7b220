"""The documentation: its site builds, its commands and its Python run as written."""

import importlib.metadata
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
GUIDES = [page for page in PAGES if "```sh" in page.read_text()]
# A block of ```py needs what only a reader has.
SCRIPTED = [page for page in PAGES if "```python\n" in page.read_text()]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def started(line: str) -> list[str]:
    """A line of a guide as a process; what needs data of the reader's own is composed only."""
    program, *arguments = shlex.split(line, comments=True)
    composed = ["--cfg", "job"] if re.search(r"=\S*(PATH|my_package)", line) else []
    if program == "python":
        return [sys.executable, str(ROOT / arguments[0]), *arguments[1:], *composed]
    return [sys.executable, "-m", program, *arguments, *composed]


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
    """No page is written that a reader cannot reach."""
    navigation = (ROOT / "zensical.toml").read_text()
    assert [page.name for page in PAGES if page.relative_to(ROOT / "docs").as_posix() not in navigation] == []


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


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_commands_of_a_guide_run(page, tmp_path):
    """Each command of a guide runs as written, one after the other in one folder."""
    for line in "".join(blocks(page, "sh")).splitlines():
        if line.strip():
            done = subprocess.run(started(line), cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stderr[-2000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("page", SCRIPTED, ids=lambda page: page.stem)
def test_python_of_a_page_runs(page, tmp_path, monkeypatch):
    """The Python of a page runs from top to bottom."""
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem
)
def test_notebook_runs(path, tmp_path):
    """A notebook runs from top to bottom in an empty folder."""
    nbclient = pytest.importorskip("nbclient", reason="the extra `docs` is not installed")
    import nbformat

    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(book, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()


def test_the_package_page_shows_nothing_that_is_not_there():
    """README as the distribution has it: no picture and no link of the checkout, which an index lacks."""
    page = importlib.metadata.metadata("split-bottleneck").get_payload()
    assert page.startswith("# bottleneck")
    assert not re.findall(r"\]\((?!https?:)[^)]*\)", page)
    assert "[Datta et al., ICPR 2022](https://arxiv.org/abs/2208.11596)" in page
