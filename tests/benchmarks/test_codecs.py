"""`benchmarks/codecs.py` does on little what it says it does."""

import math

from tests.benchmarks.printed import tables


def test_codecs(run):
    """All twenty lines have a finite ratio, and Huffman's payload is dahuffman's to the byte."""
    (rows,) = tables(run("codecs", "--repeats", 3, "--channels", 128))
    assert len(rows) == 20
    assert all(0 < float(row["ratio"].rstrip("x")) < math.inf for row in rows)
    huffman = [row for row in rows if row["codec"].startswith("huffman")]
    assert all(row["reference"] == f"dahuffman, {row['payload B']} B" for row in huffman)
