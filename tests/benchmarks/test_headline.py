"""`benchmarks/headline.py` does on little what it says it does."""

import json
import re
import statistics
from collections import defaultdict

from tests.benchmarks.printed import DATA, ROOT, in_results, is_picture


def test_headline(run, tmp_path):
    """Rows of trainings and of codecs make the table of results.md, and the picture; so do studies."""
    names = ("imagenette_pictures", "imagenette_headline", "imagenette_cascades")
    rows = [DATA / f"{name}.jsonl" for name in names]
    features = [DATA / "paper_late.jsonl", DATA / "paper_mid.jsonl"]
    assert in_results(run("headline", tmp_path / "a.png", *rows, "--features", *features))
    assert is_picture(tmp_path / "a.png")
    text = run("headline", tmp_path / "a.png", *rows, "--studies", DATA / "imagenette_late_study.jsonl")
    assert "study at _blocks.15" in text
    assert "bottleneck at _blocks.15" in text


def test_readme_has_the_numbers_of_its_picture(run, tmp_path):
    """Bytes of README's first table are those of the headline's, or a setting's mean behind it."""
    files = [DATA / f"imagenette_{name}.jsonl" for name in ("pictures", "headline", "cascades")]
    features = [DATA / "paper_late.jsonl", DATA / "paper_mid.jsonl"]
    printed = run("headline", tmp_path / "a.png", *files, "--features", *features)
    measured = [float(number.replace(",", "")) for number in re.findall(r"[\d,]+\.\d", printed)]
    settings = defaultdict(list)
    for row in (json.loads(line) for file in files for line in file.read_text().splitlines()):
        settings[row["split"], row["setting"]].append(row["payload_bytes"] or 0.0)
    measured += [statistics.mean(sizes) for sizes in settings.values()]
    known = {f"{size:,.{digits}f}" for size in measured for digits in (0, 1)}
    table = re.search(
        r"\| EfficientNet-Lite0, cut at .*?\n\n", (ROOT / "README.md").read_text(), re.S
    ).group()
    told = re.findall(r"[\d,.]*\d", " ".join(line.split("|")[-2] for line in table.splitlines()[2:-1]))
    assert len(told) > 15
    assert set(told) <= known
