"""Rules of the house that a machine can check."""

import ast
import re
from pathlib import Path

import pytest

import bottleneck

ROOT = Path(__file__).resolve().parent.parent
TEST_FILES = sorted((ROOT / "tests").rglob("test_*.py"))
MODULES = sorted((ROOT / "bottleneck").rglob("*.py"))

# Rows of the house from the top, one room each; a module imports from its own room and from rooms above it.
ROOMS = [
    "files",
    "integrity",
    "layouts",
    "devices",
    "identity",
    "preprocess",
    "codecs",
    "lossy",
    "splitting",
    "unit",
    "channel",
    "models",
    "compat",
    "tasks",
    "data",
    "features",
    "measure",
    "deploy",
    "runtime",
    "loss",
    "cut",
    "training",
    "plugin",
    "show",
    "search",
    "analyze",
    "commands",
]
MOST_LOOSE = 8  # modules beside the folders; more of them is a corridor


def functions_of(path: Path) -> list[ast.FunctionDef]:
    return [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda p: p.stem)
def test_every_test_says_what_it_promises(path):
    """Each test has a docstring, and there is no test without one."""
    missing = [test.name for test in functions_of(path) if not ast.get_docstring(test)]
    assert not missing
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_tests_mirror_the_package():
    """Each test file that carries a module's name lies where that module lies."""
    mirrored = {path.relative_to(ROOT / "bottleneck").with_suffix("") for path in MODULES}
    mirrored |= {path.parent for path in mirrored} | {Path("benchmarks")}
    folders = {path.relative_to(ROOT / "tests").parent for path in TEST_FILES} - {Path()}
    assert folders <= mirrored


def room_of(name: str) -> str:
    """Room of a name of the package: itself, or the one from which it is fetched lazily."""
    lazily = bottleneck._OBJECTS.get(name) or bottleneck._MODULES.get(name)
    return lazily.split(".")[1] if lazily else name


def imports_of(code: str) -> set[str]:
    """Rooms of everything that code takes from the package, wherever it does; `__version__` and such stay."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute, so that rows can be read off"
            parts = (node.module or "").split(".")
            if parts[0] == "bottleneck":
                found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "bottleneck":
                    assert len(parts) > 1 or not alias.asname, "an alias would hide its use"
                    found |= set(parts[1:2])
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "bottleneck":
            found.add(node.attr)
    return {room_of(name) for name in found}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from bottleneck.cut import Cut", {"cut"}),
        ("from bottleneck import codecs, models", {"codecs", "models"}),
        ("from bottleneck import Cut, pareto, train", {"cut", "measure", "training"}),
        ("import bottleneck.search.study as study", {"search"}),
        ("def f():\n    import bottleneck.show", {"show"}),
        ("import bottleneck", set()),
        ("import bottleneck\nbottleneck.search.run(bottleneck.load(path))", {"search", "deploy"}),
        ("import bottleneck\nprint(bottleneck.__version__)", {"__version__"}),
    ],
)
def test_every_form_of_import_is_seen(code, found):
    """The rule below would be worth nothing if one spelling escaped it."""
    assert imports_of(code) == found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_upwards(path):
    """No module imports from a room below its own; a first-use import inside a function counts as well."""
    room = {name: number for number, name in enumerate(ROOMS)}
    own = path.relative_to(ROOT / "bottleneck").parts[0].removesuffix(".py")
    if own in ("__init__", "__main__"):
        return
    assert own in room, f"{own} has no row; add it to ROOMS where it belongs"
    found = {name for name in imports_of(path.read_text()) if not name.startswith("__")}
    assert found <= set(room), "what is no room's has no row"
    lower = {name for name in found if room[name] > room[own]}
    assert not lower


def test_every_room_is_there_and_few_modules_are_loose():
    """The list above is the house, and most of the house is folders."""
    package = ROOT / "bottleneck"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    loose = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    assert folders | loose == set(ROOMS)
    assert len(loose) <= MOST_LOOSE


def test_changelog_names_the_version():
    """The changelog has an entry for the version that the package says it is."""
    version = re.search(r'__version__ = "(.*)"', (ROOT / "bottleneck" / "__init__.py").read_text()).group(1)
    assert f"[{version}]" in (ROOT / "CHANGELOG.md").read_text()
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text()
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()


def test_changelog_says_everything_once():
    """Each release has its entries under Added, Changed and Fixed, and no entry comes twice."""
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    headings = {line.removeprefix("### ") for line in lines if line.startswith("### ")}
    assert headings <= {"Added", "Changed", "Fixed"}
    entries = [line for line in lines if line.startswith("- ")]
    assert len(entries) == len(set(entries))


def test_every_script_is_run_by_a_test():
    """A benchmark without a test would go stale in silence."""
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "benchmarks").glob("test_*.py"))
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    scripts -= {"shared", "fuzz"}  # no script, and one whose tests start it themselves
    assert scripts == set(re.findall(r'run\(\s*"(\w+)"', tests))
