"""`benchmarks/study_picture.py` does on little what it says it does."""

from tests.benchmarks.printed import DATA, is_picture


def test_study_picture(run, tmp_path):
    """The trials of an earlier study make a picture, beside codecs at its cut."""
    files = DATA / "digits_study.jsonl", DATA / "digits.jsonl"
    run("study_picture", *files, tmp_path / "a.png")
    assert is_picture(tmp_path / "a.png")
