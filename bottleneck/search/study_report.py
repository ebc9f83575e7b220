"""A study as `report.html`: every finished trial, the frontier, the untrained methods, what mattered."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from bottleneck.deploy.frontier import Point
from bottleneck.measure.results import Result
from bottleneck.search.importances import importances
from bottleneck.search.places import fate, finished
from bottleneck.show.html import Mark, Report, untrained_mark, write_report


def write_study_report(
    study: optuna.Study, points: Sequence[Point], hypervolume: dict[str, Any], path: Path
) -> None:
    """Write the page of a study that has a frontier.

    Args:
        study: Its finished trials carry their rows on the validation samples.
        points: The frontier.
        hypervolume: Its `value` and `reference`.
        path: The file.
    """
    frozen, *untrained = [Result(**row) for row in study.user_attrs["baselines"]]
    on_frontier = {point.settings["trial"]: point for point in points}
    trials = study.get_trials(deepcopy=False)
    limit, _ = hypervolume["reference"]
    trained = [_mark(trial, on_frontier.get(trial.number)) for trial in finished(study)]
    report = Report(
        kind="search",
        title=f"{frozen.model} cut at {frozen.split}",
        about=f"{frozen.dataset}, {frozen.n:,} validation images · {_effort(trials)}",
        frozen=frozen,
        marks=[*trained, *map(untrained_mark, untrained)],
        facts=[("hypervolume", f"{hypervolume['value']:.4g}", f"on held-out images, to {limit:.4g} bpp")],
        importances=importances(study, ("rate, bpp", frozen.metric.replace("_", " "))),
        settings=json.dumps(study.user_attrs["settings"], indent=1),
    )
    write_report(report, path)


def _mark(trial: FrozenTrial, point: Point | None) -> Mark:
    row, settings = Result(**trial.user_attrs["val"]), trial.user_attrs["point"]
    if point is None:
        return Mark("trial", f"trial {trial.number}", row, settings)
    with_id = dataclasses.replace(row, payload_bytes=point.payload_bytes, bpp=point.bpp)
    return Mark("frontier", f"point {point.id} (trial {trial.number})", with_id, settings, curve="frontier")


def _effort(trials: Sequence[FrozenTrial]) -> str:
    """How many trials there were, and what became of them."""
    ends = Counter(end for end in map(fate, trials) if end != "surplus")
    return f"{ends.total()} trials: " + ", ".join(f"{count} {end}" for end, count in ends.most_common())
