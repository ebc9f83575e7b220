"""The table and the picture of accuracy against loss."""

import numpy as np
import pytest
from PIL import Image

from bottleneck.measure.results import Result
from bottleneck.show.losses import draw_losses, loss_lines, loss_table


def row(family="rle-packets", value=0.9, **known):
    return Result(
        method="m",
        task="classification",
        dataset="digits",
        model="net",
        split="layer2",
        n=10,
        metric="accuracy_top1",
        value=value,
        baseline=0.95,
        family=family,
        setting="4",
        payload_bytes=100.0,
        packets=7.0,
        **known,
    )


def lost(rate, value, concealment="zero", model="packets"):
    return row(value=value, loss_model=model, loss_rate=rate, concealment=concealment)


ROWS = [
    row("rle", 0.94),
    row(),
    lost(0.3, 0.5),
    lost(0.1, 0.8),
    lost(0.1, 0.85, "mean"),
    lost(0.2, 0.6, model="bursts"),
]


def test_lines_begin_without_losses():
    """By rising loss, from the row of the same method on which nothing was lost."""
    lines = loss_lines(ROWS)
    line = lines["packets"]["rle-packets-4 at layer2", "zero"]
    assert [(r.loss_rate, r.value) for r in line] == [(None, 0.9), (0.1, 0.8), (0.3, 0.5)]
    assert {model: len(found) for model, found in lines.items()} == {"packets": 2, "bursts": 1}


def test_table_has_a_column_for_each_rate():
    """Rates that a method was not measured at are empty."""
    packets, bursts = loss_table(ROWS).split("\n\naccuracy")
    assert "shares of packets lost" in packets
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in packets.splitlines()[2:]]
    assert cells[0] == ["method", "concealment", "bytes", "packets", "0", "0.1", "0.3"]
    assert sorted(cells[2:]) == [
        ["rle-packets-4 at layer2", "mean", "100.0", "7.0", "0.9000", "0.8500", ""],
        ["rle-packets-4 at layer2", "zero", "100.0", "7.0", "0.9000", "0.8000", "0.5000"],
    ]
    assert "0.6000" in bursts


@pytest.mark.parametrize("rows", [ROWS, ROWS[:3]])
def test_picture_is_drawn(rows, tmp_path):
    """Something is to be seen, and it is as wide for one loss model as for several."""
    draw_losses(rows, tmp_path / "loss.png")
    picture = np.asarray(Image.open(tmp_path / "loss.png"))
    assert picture.std() > 10
    assert picture.shape[1] == 9 * 150


def test_a_line_under_another_shows(drawn, tmp_path):
    """Two concealments that keep as much are both to be seen: the one that is drawn first is the wider."""
    draw_losses([row(), lost(0.1, 0.8), lost(0.1, 0.8, "mean")], tmp_path / "loss.png")
    below, above = (line for line in drawn[0].axes[0].lines if line.get_marker() == "o")
    assert below.get_xydata().tolist() == above.get_xydata().tolist() == [[0, 90], [10, 80]]
    assert below.get_linewidth() > above.get_linewidth() + 1
