"""The report: one HTML file that needs nothing else and opens offline.

marks, importances, origin ──► JSON ──► page.html ◄── page.css, page.js ──► report.html

Python says what was measured; `page.js` draws it.
"""

import dataclasses
import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from bottleneck.files import replace_text
from bottleneck.measure.curves import bytes_at, curve_name
from bottleneck.measure.results import Result
from bottleneck.show import provenance

Fact = tuple[str, str, str]

_SETTINGS = ("latent_channels", "stride", "step", "alpha")
_MEASURED = (
    "split",
    "value",
    "value_interval",
    "drop",
    "drop_interval",
    "payload_bytes",
    "payload_bytes_p95",
    "bpp",
    "device_macs",
    "encoder_macs",
)


@dataclass(frozen=True)
class Mark:
    """A point of the chart and a row of the table.

    Attributes:
        kind: What it is; decides shape and colour.
        name: What people call it.
        row: What was measured.
        settings: `latent_channels`, `stride`, `step`, `alpha`, where they exist and are known.
        curve: Marks of the same curve are joined by a line.
    """

    kind: Literal["frontier", "trial", "trained", "untrained"]
    name: str
    row: Result
    settings: Mapping[str, Any] = field(default_factory=dict)
    curve: str | None = None


@dataclass(frozen=True)
class Importances:
    """How much each parameter mattered for each objective.

    Attributes:
        shares: Per objective, parameters with their shares, which sum to 1; empty where they are unknown.
        note: How they were found, or why they were not.
    """

    shares: Mapping[str, Mapping[str, float]]
    note: str


@dataclass(frozen=True)
class Report:
    """What a report shows beside where it comes from.

    Attributes:
        kind: The command's one word: `search`, `evaluation`.
        title: Network and cut.
        about: One line on data and effort.
        frozen: The frozen network's row.
        marks: Everything that was measured, without the frozen network.
        facts: Further headline numbers: label, number, note.
        importances: `None` where nothing was searched.
        settings: What else is needed to do it again, as text.
    """

    kind: str
    title: str
    about: str
    frozen: Result
    marks: Sequence[Mark]
    facts: Sequence[Fact] = ()
    importances: Importances | None = None
    settings: str = ""


def untrained_mark(row: Result) -> Mark:
    """The mark of a codec without training; the settings of one codec make a curve."""
    return Mark("untrained", row.method, row, curve=curve_name(row))


def write_report(report: Report, path: Path) -> None:
    """Write the page; an older one is replaced at once."""
    content = {
        "kind": report.kind,
        "title": report.title,
        "about": report.about,
        "metric": report.frozen.metric,
        "baseline": report.frozen.value,
        "tiles": [*_headline(report), *report.facts],
        "marks": [_mark(mark) for mark in report.marks],
        "importances": report.importances and dataclasses.asdict(report.importances),
        "settings": report.settings,
        "command": provenance.command(),
        "versions": {**provenance.versions(), "written": f"{datetime.datetime.now():%Y-%m-%d %H:%M}"},
    }
    # A name such as `</script>` must not end the element that carries it; JSON.parse gives the `<` back.
    data = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    page = _part("page.html")
    # The data come last: nothing is looked for in them.
    for place, text in (("style", _part("page.css")), ("script", _part("page.js")), ("report", data)):
        page = page.replace(f"{{{{{place}}}}}", text)
    replace_text(path, page)


def _part(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")


def _mark(mark: Mark) -> dict[str, Any]:
    row = dataclasses.asdict(mark.row)
    return {
        "kind": mark.kind,
        "name": mark.name,
        "curve": mark.curve,
        **{key: mark.settings.get(key) for key in _SETTINGS},
        **{key: row[key] for key in _MEASURED},
        "device_ms": mark.row.device_ms,
    }


def _headline(report: Report) -> list[Fact]:
    """The frozen network, and what it costs to lose one point and three of its metric."""
    frozen, marks = report.frozen, report.marks
    sure = (
        "" if (span := frozen.value_interval) is None else f"95 %: {100 * span[0]:.1f} to {100 * span[1]:.1f}"
    )
    facts = [("frozen network", f"{100 * frozen.value:.1f} %", sure)]
    untrained = [mark.row for mark in marks if mark.kind == "untrained"]
    trained = [mark.row for mark in marks if mark.kind in ("frontier", "trained")]
    for points in (1, 3):
        target = frozen.value - points / 100
        name = f"{points} point{'s' * (points > 1)} below frozen"
        facts.append((name, _bytes_at(trained, target), f"untrained: {_bytes_at(untrained, target)}"))
    return facts


def _bytes_at(rows: Sequence[Result], target: float) -> str:
    found = bytes_at(rows, target)
    return "not reached" if found is None else f"{found:,.{1 if found < 100 else 0}f} bytes"
