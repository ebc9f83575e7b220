"""What scripts print and draw, read again."""

import re
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "benchmarks" / "data"


def tables(text):
    """The Markdown tables of a text, each a list of dictionaries."""
    found = []
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        cells = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in block.splitlines()]
        header, _, *lines = cells
        found.append([dict(zip(header, line, strict=True)) for line in lines])
    return found


def in_results(text):
    """Whether every line of a table stands in results.md, whatever the padding."""

    def plain(line):
        return re.sub(r"\s+", "", line)

    known = {plain(line) for line in (ROOT / "benchmarks" / "results.md").read_text().splitlines()}
    lines = [plain(line) for line in text.splitlines() if line.startswith("|") and not line.startswith("|-")]
    return len(lines) > 2 and not [line for line in lines if line not in known]


def is_picture(path):
    with Image.open(path) as picture:
        return picture.width > 300
