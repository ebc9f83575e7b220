"""Tables and pictures show what was measured."""

import dataclasses

import pytest
from matplotlib import pyplot as plt

from bottleneck.show.tables import curves_table, draw_rate_accuracy, table
from bottleneck.measure.results import Result


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
        "head_ms": 3.0,
        "device_macs": 2_150_000,
    }
    sent = [("rle-2", 200.0, 0.9), ("rle-4", 400.0, 0.95), ("bottleneck", 7.25, 0.94)]
    return [Result(method="frozen", value=0.95, **common)] + [
        Result(
            method=m,
            payload_bytes=b,
            value=v,
            encode_ms=0.25,
            drop=0.95 - v,
            drop_interval=(-0.01, 0.06),
            **common,
        )
        for m, b, v in sent
    ]


def test_table_has_every_row_with_its_numbers(rows):
    """Each method is one line with accuracy, drop, bytes, device MACs and ms; the frozen one has no drop."""
    lines = table(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert "accuracy_top1" in lines[0]
    assert "0.9500" in lines[2]
    assert "[" not in lines[2]
    assert all(
        text in lines[5] for text in ("bottleneck", "0.9400", "+1.0 [-1.0, +6.0]", "7.2", "2.15", "3.25")
    )


def test_picture_shows_curves_on_a_log_axis(rows, tmp_path, monkeypatch):
    """RLE's settings are one curve, the bottleneck another, the frozen network a line; bytes are log."""
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    draw_rate_accuracy(rows, tmp_path / "picture.png")
    monkeypatch.undo()
    (axes,) = drawn[0].axes
    assert (tmp_path / "picture.png").stat().st_size > 10_000
    assert axes.get_xscale() == "log"
    cost = "at layer2 (2.1 MMACs, 3.2 ms)"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sorted(labels) == [f"bottleneck {cost}", "frozen network", f"rle {cost}"]
    curve = next(c for c in axes.containers if c.get_label() == f"rle {cost}")
    assert curve.lines[0].get_xydata().tolist() == [[200, 0.9], [400, 0.95]]
    plt.close(drawn[0])


def test_many_curves_stay_apart_and_have_their_legend_beside_the_picture(rows, tmp_path, monkeypatch):
    """From seven curves on no two look the same, and the legend covers none of them."""
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    many = [dataclasses.replace(rows[1], method=f"method{n}", payload_bytes=10.0 + n) for n in range(30)]
    draw_rate_accuracy([rows[0], *many], tmp_path / "picture.png")
    monkeypatch.undo()
    (axes,) = drawn[0].axes
    lines = [container.lines[0] for container in axes.containers]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 30
    assert axes.get_legend() is None
    assert len(drawn[0].legends[0].get_texts()) == 31
    plt.close(drawn[0])


def test_curves_table_gives_the_saving_of_a_column_against_a_line(rows):
    """A curve with a tenth of the bytes stands at -90 % in the other's line; single points do not appear."""
    tenth = [
        dataclasses.replace(r, method=f"zstd-{r.method[-1]}", payload_bytes=r.payload_bytes / 10)
        for r in rows[1:3]
    ]
    _, compared = curves_table([*rows, *tenth]).split("\n\n")
    header, _, rle, zstd = compared.splitlines()
    assert "bottleneck" not in header
    assert "-90.0%" in rle
    assert "+900.0%" in zstd


def test_curves_table_gives_bytes_at_one_and_three_points_below(rows):
    """Costs lie between points; a cheapest point that is too good is a bound, a curve below has none."""
    better = dataclasses.replace(rows[2], method="raw", payload_bytes=5000.0)
    costs, _ = curves_table([*rows, better]).split("\n\n")
    cells = {
        line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:4]] for line in costs.splitlines()
    }
    low, high = (float(cell) for cell in reversed(cells["rle at layer2"]))
    assert 200 < low < high < 400
    assert cells["raw at layer2"] == ["≤ 5,000.0", "≤ 5,000.0"]
    worse = [dataclasses.replace(row, value=0.5) for row in rows[1:]]
    assert curves_table([rows[0], *worse]).count("not reached") == 4
