"""Tables show what was measured."""

import dataclasses

from bottleneck.show.tables import curves_table, full_table, in_families, table


def test_table_has_every_row_with_its_numbers(rows):
    """Each method is one line with accuracy, drop, bytes, device MACs and ms; the frozen one has no drop."""
    lines = full_table(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert "accuracy_top1" in lines[0]
    assert "0.9500" in lines[2]
    assert "[" not in lines[2]
    assert all(
        text in lines[3] for text in ("bottleneck", "0.9400", "+1.0 [-1.0, +6.0]", "7.2", "2.15", "3.25")
    )


def test_what_was_trained_beside_the_bottleneck_has_a_column(rows):
    """Where a tail was trained too, the table says so, row by row; elsewhere there is no such column."""
    assert "trained" not in full_table(rows)
    rows[-1].trainable = "tail"
    header, _, *lines = full_table(rows).splitlines()
    assert header.split("|")[-2].strip() == "trained"
    assert [line.split("|")[-2].strip() for line in lines] == ["", "tail", "", ""]


def test_table_fits_a_terminal(rows):
    """No line has more than 100 letters, long names and large numbers included; the metric is named above."""
    long = dataclasses.replace(
        rows[-1],
        method="bundle:1d1d458b8049-huffman",
        split="features.12",
        payload_bytes=150_528.0,
        device_macs=15_470_000_000,
        encode_ms=1234.5,
        drop=0.408,
        drop_interval=(0.365, 0.452),
    )
    lines = table([*rows, long]).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("accuracy top1 on 500 images of digits")
    assert "15,470" in "".join(lines)


def test_rows_come_by_family_and_bytes(rows):
    """The frozen network, trained units, then untrained families, each by rising bytes."""
    small = dataclasses.replace(rows[1], method="zstd-1", family="zstd", payload_bytes=150.0)
    large = dataclasses.replace(rows[1], method="zstd-8", family="zstd", payload_bytes=900.0)
    mixed = [rows[2], large, rows[1], rows[3], small, rows[0]]
    assert [row.method for row in in_families(mixed)] == [
        "frozen",
        "bottleneck",
        "zstd-1",
        "zstd-8",
        "rle-2",
        "rle-4",
    ]


def test_curves_table_gives_the_saving_of_a_column_against_a_line(rows):
    """A curve with a tenth of the bytes stands at -90 % in the other's line; single points do not appear."""
    tenth = [
        dataclasses.replace(
            r, method=f"zstd-{r.method[-1]}", family="zstd", payload_bytes=r.payload_bytes / 10
        )
        for r in rows[1:3]
    ]
    _, compared = curves_table([*rows, *tenth]).split("\n\n")
    header, _, rle, zstd = compared.splitlines()
    assert "bottleneck" not in header
    assert "-90.0%" in rle
    assert "+900.0%" in zstd


def test_curves_table_gives_bytes_at_one_and_three_points_below(rows):
    """Costs lie between points; a cheapest point that is too good is a bound, a curve below has none."""
    better = dataclasses.replace(rows[2], method="raw", family="raw", payload_bytes=5000.0)
    costs, _ = curves_table([*rows, better]).split("\n\n")
    cells = {
        line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:4]] for line in costs.splitlines()
    }
    low, high = (float(cell) for cell in reversed(cells["rle at layer2"]))
    assert 200 < low < high < 400
    assert cells["raw at layer2"] == ["≤ 5,000.0", "≤ 5,000.0"]
    worse = [dataclasses.replace(row, value=0.5) for row in rows[1:]]
    assert curves_table([rows[0], *worse]).count("not reached") == 4
