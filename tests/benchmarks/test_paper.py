"""`benchmarks/paper.py` does on little what it says it does."""

import importlib

import pytest

from tests.benchmarks.printed import DATA, in_results, is_picture


@pytest.mark.slow
def test_paper(run, tmp_path):
    """The rows of five evaluations still make the table of results.md, and the picture."""
    files = [DATA / f"paper_{place}.jsonl" for place in ("late", "mid", "relu6", "early", "input")]
    assert in_results(run("paper", tmp_path / "a.png", *files))
    assert is_picture(tmp_path / "a.png")


def test_paper_names_few_methods():
    """Eight methods have a name, among them the one that needs the fewest bytes at each split point."""
    paper = importlib.import_module("benchmarks.paper")
    places = paper.by_place([DATA / f"paper_{place}.jsonl" for place in ("late", "early", "input")])
    names = paper.named(places)
    assert len(names) == len(set(names)) == 8
    assert {"bundle", "tiled-jpeg", "hevc"} <= set(names)
