"""`benchmarks/throughput.py` does on little what it says it does."""

from tests.benchmarks.printed import tables


def test_throughput(run):
    """At each split point every codec has bytes and times, the references' among them."""
    small = ("--splits", "layer2", "layer1", "--fitted", 4, "--repeats", 1)
    found = tables(run("throughput", "suite=features", *small))
    assert len(found) == 2
    for rows in found:
        assert {"dahuffman", "zlib-6 of bytes", "huffman", "range", "rle-2"} <= {row["codec"] for row in rows}
        assert all(float(row["bits/element"]) > 0 and float(row["encode ms"]) >= 0 for row in rows)
