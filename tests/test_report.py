"""Tables and pictures show what was measured."""

import pytest
from matplotlib import pyplot as plt

from bottleneck.report import draw_rate_accuracy, table
from bottleneck.results import Result


@pytest.fixture
def rows():
    common = {
        "task": "classification",
        "dataset": "digits",
        "model": "m",
        "split": "layer2",
        "n": 500,
        "metric": "accuracy_top1",
        "baseline": 0.95,
        "value_interval": (0.8, 0.99),
    }
    sent = [("rle-2", 200.0, 0.9), ("rle-4", 400.0, 0.95), ("bottleneck", 7.25, 0.94)]
    return [Result(method="frozen", value=0.95, **common)] + [
        Result(method=m, payload_bytes=b, value=v, drop=0.95 - v, drop_interval=(-0.01, 0.06), **common)
        for m, b, v in sent
    ]


def test_table_has_every_row_with_its_numbers(rows):
    """Each method is one line with accuracy, paired drop and bytes; the frozen network has no drop."""
    lines = table(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert "accuracy_top1" in lines[0]
    assert "0.9500" in lines[2]
    assert "[" not in lines[2]
    assert all(text in lines[5] for text in ("bottleneck", "0.9400", "+1.0 [-1.0, +6.0]", "7.2"))


def test_picture_shows_curves_on_a_log_axis(rows, tmp_path, monkeypatch):
    """RLE's settings are one curve, the bottleneck another, the frozen network a line; bytes are log."""
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    draw_rate_accuracy(rows, tmp_path / "picture.png")
    monkeypatch.undo()
    (axes,) = drawn[0].axes
    assert (tmp_path / "picture.png").stat().st_size > 10_000
    assert axes.get_xscale() == "log"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sorted(labels) == ["bottleneck at layer2", "frozen network", "rle at layer2"]
    curve = next(c for c in axes.containers if c.get_label() == "rle at layer2")
    assert curve.lines[0].get_xydata().tolist() == [[200, 0.9], [400, 0.95]]
    plt.close(drawn[0])
