"""Pictures show what was measured."""

import dataclasses

from matplotlib import pyplot as plt

from bottleneck.show.pictures import draw_rate_accuracy


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
    many = [
        dataclasses.replace(rows[1], method=f"method{n}", family=f"method{n}", payload_bytes=10.0 + n)
        for n in range(30)
    ]
    draw_rate_accuracy([rows[0], *many], tmp_path / "picture.png")
    monkeypatch.undo()
    (axes,) = drawn[0].axes
    lines = [container.lines[0] for container in axes.containers]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 30
    assert axes.get_legend() is None
    assert len(drawn[0].legends[0].get_texts()) == 31
    plt.close(drawn[0])
