"""The site: pages of docs/ and its notebooks, the results, the changelog, and every configuration key.

    python docs/build.py

Pages are gathered in build/docs and become build/site, which opens from a folder, offline. A warning, such as
a link to nowhere, ends the build.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "build" / "docs"
KEY = re.compile(r"(?P<indent> *)(?P<key>[\w\"%]+):(?: (?P<value>[^#]*?))?(?: *# (?P<meaning>.*))?")


def keys(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Name, value and meaning of every commented key of a file; nested ones with their parents."""
    parents: list[tuple[int, str]] = []
    for line in lines:
        found = KEY.fullmatch(line)
        if not found:
            continue
        indent = len(found["indent"])
        parents = [parent for parent in parents if parent[0] < indent] + [(indent, found["key"])]
        if found["meaning"]:
            yield ".".join(name for _, name in parents), found["value"] or "", found["meaning"]


def configuration(conf: Path) -> str:
    """The page of every key, from the comments in conf/."""
    page = ["# Configuration", "", "Every key with its default, from the comments in `conf/`.", ""]
    for file in sorted(conf.rglob("*.yaml"), key=lambda file: (len(file.parts), file)):
        lines = file.read_text("utf-8").splitlines()
        group = file.relative_to(conf).parent.as_posix()
        prefix = "" if group == "." else f"{group}."
        name = file.stem if group == "." else f"{group}={file.stem}"
        summary = [
            line.lstrip("# ") for line in lines[:2] if line.startswith("# ") and "@package" not in line
        ]
        page += [f"## `{name}`", "", *summary[:1], ""]
        rows = [(f"`{prefix}{key}`", value and f"`{value}`", meaning) for key, value, meaning in keys(lines)]
        if rows:
            page += ["| key | default | meaning |", "| --- | --- | --- |"]
            page += ["| {} |".format(" | ".join(cell.replace("|", "\\|") for cell in row)) for row in rows]
            page.append("")
    return "\n".join(page)


def notebook(path: Path) -> str:
    """A notebook as a page: its text, and its code as blocks; it keeps no outputs."""
    cells = [
        (cell["cell_type"], "".join(cell["source"])) for cell in json.loads(path.read_text("utf-8"))["cells"]
    ]
    parts = [text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in cells]
    parts.insert(1, f"Code to run: [{path.name}]({path.name}).")
    return "\n\n".join(parts) + "\n"


def gather() -> None:
    """Lay out every page and picture below build/docs."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for folder in ("data", "figures"):
        shutil.copytree(ROOT / "benchmarks" / folder, PAGES / folder)
    shutil.copy(ROOT / "benchmarks" / "results.md", PAGES / "results.md")
    for page in ("CHANGELOG", "SECURITY"):
        shutil.copy(ROOT / f"{page}.md", PAGES / f"{page.lower()}.md")
    (PAGES / "reference" / "configuration.md").write_text(configuration(ROOT / "conf"))
    for path in sorted((PAGES / "notebooks").glob("*.ipynb")):
        path.with_suffix(".md").write_text(notebook(path))


def main() -> None:
    """Gather, then build."""
    gather()
    environment = {"NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, **environment})


if __name__ == "__main__":
    main()
