"""Pictures show what was measured."""

import dataclasses

from bottleneck.show.pictures import draw_families, draw_frontier, draw_rate_accuracy


def named(axes):
    """Labels and lines of curves with a name."""
    return {c.get_label(): c.lines[0] for c in axes.containers if not c.get_label().startswith("_")}


def many(rows, count):
    """Rows of as many untrained families, each larger than the one before."""
    return [
        dataclasses.replace(
            rows[1], method=f"method{n}", family=f"method{n}", payload_bytes=500.0 + n, value=0.94
        )
        for n in range(count)
    ]


def test_families_are_curves_on_a_log_axis(rows, drawn, tmp_path):
    """RLE's settings are one curve, the bottleneck another, with what the device spends; bytes are log."""
    draw_rate_accuracy(rows, tmp_path / "picture.png")
    (axes,) = drawn[0].axes
    assert (tmp_path / "picture.png").stat().st_size > 10_000
    assert axes.get_xscale() == "log"
    cost = "(2.1 MMACs, 3.2 ms)"
    found = named(axes)
    assert set(found) == {f"bottleneck {cost}", f"rle {cost}"}
    assert found[f"rle {cost}"].get_xydata().tolist() == [[200, 90], [400, 95]]


def test_a_loss_looks_as_large_as_it_is(rows, drawn, tmp_path):
    """The metric's axis reaches far below a point that lost one point."""
    draw_rate_accuracy(rows, tmp_path / "picture.png")
    low, high = drawn[0].axes[0].get_ylim()
    assert (94 - low) / (high - low) > 0.7


def test_at_most_eight_curves_have_a_name(rows, drawn, tmp_path):
    """Trained units come first, then what needs fewest bytes; what is left is grey and counted."""
    draw_rate_accuracy([*rows, *many(rows, 30)], tmp_path / "picture.png")
    (axes,) = drawn[0].axes
    names = [name.split()[0] for name in named(axes)]
    assert len(names) == 8
    assert {"bottleneck", "rle", "method0"} <= set(names)
    assert "method29" not in names
    assert len({tuple(line.get_color()) for line in named(axes).values()}) == 8
    assert axes.get_legend().get_texts()[-1].get_text() == "24 more"


def test_a_sentence_says_what_is_seen(rows, drawn, tmp_path):
    """Bytes of the best trained and untrained way at three points of loss, and which direction is good."""
    draw_rate_accuracy(rows, tmp_path / "picture.png")
    told = " ".join(drawn[0].get_supxlabel().split())
    assert "bottleneck needs ≤ 7.2 bytes and rle needs" in told
    assert "Higher and further left is better" in told


def test_small_multiples_show_every_curve_on_the_same_axes(rows, drawn, tmp_path):
    """Each curve has a panel of its own, all share their axes."""
    draw_families([*rows, *many(rows, 11)], tmp_path / "families.png")
    panels = [axes for axes in drawn[0].axes if axes.get_title()]
    assert len(panels) == 13
    assert panels[0].get_title() == "bottleneck"
    assert len({axes.get_xlim() + axes.get_ylim() for axes in panels}) == 1


def test_names_say_where_only_if_places_differ(rows, drawn, tmp_path):
    """Curves of one cut have short names, as the title says which; those of two say where each was sent."""
    there = [dataclasses.replace(row, split="layer3") for row in rows]
    draw_families(rows, tmp_path / "one.png")
    draw_families([*rows, *there], tmp_path / "two.png")
    one, two = ({axes.get_title() for axes in figure.axes} - {""} for figure in drawn)
    assert one == {"bottleneck", "rle"}
    assert two == {f"{name} at {place}" for name in one for place in ("layer2", "layer3")}


def test_bytes_are_written_out(rows, drawn, tmp_path):
    """An axis of bytes says 100 and 1,000, not powers of ten."""
    draw_rate_accuracy(rows, tmp_path / "picture.png")
    formatter = drawn[0].axes[0].xaxis.get_major_formatter()
    assert [formatter(size) for size in (1, 100, 10_000)] == ["1", "100", "10,000"]


def test_a_study_shows_trials_frontier_and_untrained_families(rows, drawn, tmp_path):
    """Trials are dots, the frontier a line, untrained methods few curves; the rest comes last."""
    draw_frontier(rows[-1:], [*rows[:3], *many(rows, 20)], [(8.25, 0.94)], tmp_path / "frontier.png")
    (axes,) = drawn[0].axes
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[:2] == ["1 trials", "frontier"]
    assert len(named(axes)) == 6
    assert texts[-1] == "15 more"
    assert "chosen on held-out images" in " ".join(drawn[0].get_supxlabel().split())


def test_a_trial_that_failed_does_not_press_the_frontier_together(rows, drawn, tmp_path):
    """The axis ends below the frontier's points; trials further down are counted instead."""
    poor = dataclasses.replace(rows[-1], value=0.1)
    draw_frontier([rows[-1], poor], rows[:3], [(8.25, 0.94)], tmp_path / "frontier.png")
    low, _ = drawn[0].axes[0].get_ylim()
    assert 80 < low < 94
    assert "Trials further down, not shown: 1." in " ".join(drawn[0].get_supxlabel().split())
