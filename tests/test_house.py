"""Rules of the house that a machine can check."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEST_FILES = sorted((ROOT / "tests").rglob("test_*.py"))
MODULES = sorted((ROOT / "bottleneck").rglob("*.py"))

# Rows of the house from the top; a module imports from its own row and from rows above it.
ROWS = [
    [
        "files",
        "config",
        "devices",
        "layouts",
        "checkpoints",
        "quantize",
        "geometry",
        "preprocess",
        "complexity",
        "timing",
        "provenance",
        "schedules",
        "codecs",
    ],
    ["unit", "rate", "splitting", "results", "pareto"],
    ["tasks", "compat", "models"],
    [
        "bundle",
        "deploy",
        "data",
        "methods",
        "evaluation",
        "curves",
        "report",
        "html_report",
        "profile",
        "export",
    ],
    ["objectives"],
    ["system", "warm_start", "plugin"],
    ["end_to_end"],
    ["experiment"],
    ["training"],
    ["search", "analyze"],
]


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
    mirrored |= {path.parent for path in mirrored} | {Path("benchmarks")}  # its scripts are tested as well
    folders = {path.relative_to(ROOT / "tests").parent for path in TEST_FILES} - {Path()}
    assert folders <= mirrored


def imports_of(path: Path) -> set[str]:
    """First component below the package of everything that a module imports from it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and (node.module or "").startswith("bottleneck")
        ):
            parts = (node.module or "").split(".")[1:]
            found |= {parts[0]} if parts else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_upwards(path):
    """No module imports from a row below its own; a first-use import inside a function counts as well."""
    row = {name: number for number, names in enumerate(ROWS) for name in names}
    own = path.relative_to(ROOT / "bottleneck").parts[0].removesuffix(".py")
    if own == "__init__":
        return
    assert own in row, f"{own} has no row; add it to ROWS where it belongs"
    lower = {name for name in imports_of(path) if row.get(name, 0) > row[own]}
    # The embedded networks are trained on embedded data, inside a function.
    exceptions = {"data"} if path.parent.name == "embedded" else set()
    assert not lower - exceptions


def test_changelog_names_the_version():
    """The changelog has an entry for the version that the package says it is."""
    version = re.search(r'__version__ = "(.*)"', (ROOT / "bottleneck" / "__init__.py").read_text()).group(1)
    assert f"[{version}]" in (ROOT / "CHANGELOG.md").read_text()
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text()
