"""The report is one file that says what was measured, and that people can point at, sort and read offline."""

import dataclasses
import json
import sys

import pytest

from bottleneck.measure.results import Result
from bottleneck.show.html import Importances, Mark, Report, untrained_mark, write_report

HOSTILE = "</script><script>document.title = 'broken out'</script><!--"
FROZEN = Result(
    method="frozen",
    task="classification",
    dataset="digits",
    model=HOSTILE,
    split="layer2",
    n=500,
    metric="accuracy_top1",
    value=0.97,
    baseline=0.97,
    value_interval=(0.95, 0.98),
)


def row(method, payload_bytes, value):
    measured = {"drop": 0.97 - value, "drop_interval": (0.0, 0.1), "device_macs": 2_150_000}
    return dataclasses.replace(
        FROZEN,
        method=method,
        family=method.partition("-")[0],
        payload_bytes=payload_bytes,
        bpp=payload_bytes / 8,
        value=value,
        **measured,
    )


def point(payload_bytes, value, latent_channels):
    settings = {"latent_channels": latent_channels, "stride": 2, "step": 1.25, "alpha": 3.5}
    name = f"point of {payload_bytes} bytes"
    return Mark("frontier", name, row("bottleneck", payload_bytes, value), settings, curve="frontier")


REPORT = Report(
    kind="search",
    title=HOSTILE,
    about="digits",
    frozen=FROZEN,
    marks=[
        point(9, 0.8, 16),
        point(16, 0.96, 4),
        point(100, 0.965, 8),
        Mark("trial", "trial 1", row("bottleneck", 0, 0.1), {"latent_channels": 2}),
        *(
            untrained_mark(row(*sent))
            for sent in [("rle-2", 200, 0.94), ("rle-8", 800, 0.97), (HOSTILE, 300, 0.9)]
        ),
    ],
    importances=Importances({"rate, bpp": {"stride": 0.75, "step": 0.25}}, "Over 12 trials."),
    settings="space: all of it",
)


COMMAND = ["python", "-m", "bottleneck", "search", "study.name=report"]


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", COMMAND)  # a worker of pytest-xdist was started in another way
    write_report(REPORT, tmp_path / "report.html")
    return tmp_path / "report.html"


def test_page_carries_what_was_measured(page, report_content):
    """Every mark is there with its settings and numbers; names come back as they were given."""
    marks = report_content(page)["marks"]
    assert [mark["payload_bytes"] for mark in marks] == [9, 16, 100, 0, 200, 800, 300]
    assert [marks[0][key] for key in ("latent_channels", "stride", "step", "alpha")] == [16, 2, 1.25, 3.5]
    assert marks[6]["name"] == HOSTILE
    assert [mark["curve"] for mark in marks[3:6]] == [None, "rle at layer2", "rle at layer2"]


def test_page_states_bytes_at_one_and_three_points(page, report_content):
    """Bytes at one point and at three points below frozen are read off the frontier, linear in log bytes."""
    tiles = report_content(page)["tiles"]
    assert tiles[0] == ["frozen network", "97.0 %", "95 %: 95.0 to 98.0"]
    assert tiles[1] == ["1 point below frozen", "16.0 bytes", "untrained: 504 bytes"]
    assert tiles[2][1] == f"{9 ** (0.02 / 0.16) * 16 ** (0.14 / 0.16):.1f} bytes"


def test_loss_that_nothing_keeps_to_is_said(tmp_path, report_content):
    """Where no point is close enough to the frozen network there is no number."""
    write_report(dataclasses.replace(REPORT, marks=[point(9, 0.5, 16)]), tmp_path / "report.html")
    assert report_content(tmp_path / "report.html")["tiles"][1][1:] == [
        "not reached",
        "untrained: not reached",
    ]


def test_page_names_command_and_versions(page, report_content):
    """The command that wrote it, and the versions that measured."""
    assert report_content(page)["command"] == " ".join(COMMAND)
    assert {"python", "torch", "optuna", "split-bottleneck"} <= set(report_content(page)["versions"])


@pytest.fixture
def opened(chromium, page):
    chromium.open(page.as_uri())
    return chromium


def text(browser, selector):
    """What an element says."""
    return browser.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText")


def column(browser, number):
    """The table's cells in a column, from the top."""
    cells = f"[...document.querySelectorAll('tbody tr td:nth-child({number})')]"
    return browser.evaluate(f"{cells}.map(cell => cell.innerText)")


SECOND = "path.mark[aria-label^='point of 16 bytes']"


@pytest.mark.slow
def test_page_renders_and_asks_nobody(opened):
    """Chart, table, importances and origin are drawn without an error; nothing but the file is loaded."""
    assert opened.evaluate("document.querySelectorAll('#chart svg path.mark').length") == len(REPORT.marks)
    assert len(column(opened, 1)) == len(REPORT.marks)
    assert "75 %" in text(opened, "#importances")
    assert text(opened, "#origin pre") == " ".join(COMMAND)
    assert [request["documentURL"] for request in opened.seen("Network.requestWillBeSent")] == [
        opened.evaluate("location.href")
    ]
    assert not opened.seen("Runtime.exceptionThrown") + opened.seen("Log.entryAdded")


@pytest.mark.slow
def test_page_cannot_ask_anybody(opened):
    """The policy in the page refuses requests, whatever a later change puts there."""
    answer = opened.evaluate("fetch('data:,hello').then(() => 'answered', () => 'refused')")
    assert answer == "refused"
    assert "Content Security Policy" in opened.seen("Log.entryAdded")[0]["entry"]["text"]


@pytest.mark.slow
def test_names_stay_text(opened):
    """A name that looks like markup is shown as it is and does nothing."""
    assert text(opened, "h1") == HOSTILE
    assert HOSTILE in column(opened, 1)
    assert opened.evaluate("document.title").startswith(HOSTILE)
    assert opened.evaluate("document.querySelectorAll('script').length") == 2


@pytest.mark.slow
def test_hover_shows_the_operating_point(opened):
    """Under the mouse a mark tells its settings, payload, metric and MACs; beside it nothing is told."""
    opened.point_at(SECOND)
    shown = text(opened, "#tip")
    for expected in ("16 bytes", "Cᵣ\n4", "S\n2", "Q\n1.25", "α\n3.5", "96.0 %", "2 bpp", "2.15 M MACs"):
        assert expected in shown
    assert text(opened, "tr.lit td").strip() == "point of 16 bytes"
    opened.point_at("h1")
    assert opened.evaluate("document.querySelector('#tip').hidden")


@pytest.mark.slow
def test_keys_show_what_hover_shows(opened):
    """Tab reaches the chart, arrows go from mark to mark by payload, Escape hides."""
    opened.evaluate("document.querySelector('.range button:last-child').focus()")
    seen = []
    for key in ("Tab", "ArrowRight", "ArrowRight"):
        opened.press(key)
        seen.append(text(opened, "#tip b"))
    assert seen == ["trial 1", "point of 9 bytes", "point of 16 bytes"]
    by_key = text(opened, "#tip")
    opened.press("Escape")
    assert opened.evaluate("document.querySelector('#tip').hidden")
    opened.point_at(SECOND)
    assert text(opened, "#tip") == by_key


@pytest.mark.slow
def test_a_header_sorts_its_column(opened):
    """A click sorts by number, the next one turns it round; what has no value stays at the end."""
    opened.point_at("th:nth-child(2) button", press=True)
    assert column(opened, 2) == ["2", "4", "8", "16", "", "", ""]
    opened.point_at("th:nth-child(2) button", press=True)
    assert column(opened, 2) == ["16", "8", "4", "2", "", "", ""]
    assert opened.evaluate("document.querySelector('th:nth-child(2)').ariaSort") == "descending"


@pytest.mark.slow
def test_range_near_the_frozen_network_leaves_out_the_rest(opened):
    """The second range shows marks within ten points of the frozen network alone."""
    opened.point_at(".range button:last-child", press=True)
    assert opened.evaluate("document.querySelectorAll('#chart svg path.mark').length") == 5
