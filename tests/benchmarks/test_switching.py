"""`benchmarks/switching.py` does on little what it says it does."""

import re

from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import Point, write_frontier
from tests.benchmarks.printed import tables


def test_switching(run, digits_bundle, tmp_path):
    """A frontier of two points: what each holds beside the network, and what switching costs."""
    points = [Point(number, f"point-0{number}", 0.5 + number, 4.0 + number, 0.9) for number in range(2)]
    bundle = Bundle.read(digits_bundle)
    for point in points:
        next(bundle.unit.parameters()).data.add_(1)  # equal weights would be one file, of neither
        bundle.save(tmp_path / point.bundle)
    write_frontier(tmp_path, points, {})
    text = run("switching", tmp_path, "--repeats", 2)
    (rows,) = tables(text)
    assert [row["point"] for row in rows] == ["0", "1"]
    assert all(int(row["bundle B on disk"]) > int(row["unit B"]) > 0 for row in rows)
    assert len(re.findall(r"[1-9]\d* us$", text, re.MULTILINE)) == 2
