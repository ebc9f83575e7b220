"""What a study found: the Pareto frontier as a folder that runs, and as pictures.

    frontier/ frontier.json   one entry per point, by rising bpp on the validation samples
              point-00/ ...   its bundle
    frontier.png  report.html  trials.jsonl

The frontier is chosen on the selection samples and reported on the validation samples.
"""

import json
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.artifacts import download_artifact
from optuna.trial import FrozenTrial, TrialState

from bottleneck.deploy.frontier import FRONTIER_FILES, Point, write_frontier
from bottleneck.files import replace_file, replace_folder
from bottleneck.measure import pareto
from bottleneck.measure.results import Result
from bottleneck.search.places import fate, finished
from bottleneck.search.study_report import write_study_report
from bottleneck.search.trials import BUNDLE_FILES, Constraints
from bottleneck.show.pictures import draw_frontier


def save_frontier(study: optuna.Study, artifacts: Any, folder: Path, constraints: Constraints) -> list[Point]:
    """Write the frontier of all trials finished so far; an older one is replaced at once.

    Args:
        study: Its finished trials carry rows and bundles.
        artifacts: Where the bundles are.
        folder: The study's folder.
        constraints: What its points keep, whatever was wanted when their trials ran.

    Returns:
        The points; none, and nothing written but trials.jsonl, where no trial has finished.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "frontier.lock"):
        _save_trials(study, folder / "trials.jsonl")
        chosen = best_trials(study, constraints)
        if not chosen:
            return []
        hypervolume = _hypervolume(study)
        about = {"metric": chosen[0].user_attrs["val"]["metric"], "hypervolume": hypervolume}
        points = [
            _point(number, trial, _bpp_of_a_byte(study))
            for number, trial in enumerate(sorted(chosen, key=lambda trial: trial.user_attrs["val"]["bpp"]))
        ]
        trials = {trial.number: trial for trial in chosen}
        with replace_folder(folder / "frontier", *FRONTIER_FILES) as fresh:
            for point in points:
                (fresh / point.bundle).mkdir()
                for name in BUNDLE_FILES:
                    download_artifact(
                        artifact_store=artifacts,
                        artifact_id=trials[point.settings["trial"]].user_attrs["bundle"][name],
                        file_path=str(fresh / point.bundle / name),
                    )
            write_frontier(fresh, points, about)
        draw_frontier(
            [Result(**trial.user_attrs["val"]) for trial in finished(study)],
            [Result(**study_row) for study_row in study.user_attrs.get("baselines", [])],
            [(point.payload_bytes, point.value) for point in points],
            folder / "frontier.png",
        )
        write_study_report(study, points, hypervolume, folder / "report.html")
        return points


def best_trials(study: optuna.Study, constraints: Constraints) -> list[FrozenTrial]:
    """Finished trials that keep the constraints and that no other beats on both objectives, by rising bpp.

    One that guesses is none beside others that do not, although nothing may have fewer bytes.
    """
    known = finished(study)
    useful = [t for t in known if "guesses" not in t.user_attrs] or known
    trials = [t for t in useful if constraints.kept(Result(**t.user_attrs["select"]))]
    if not trials:
        return []
    rates, values = zip(*(trial.values for trial in trials), strict=True)
    return [trials[index] for index in pareto.frontier(rates, values)]


def _hypervolume(study: optuna.Study) -> dict[str, Any]:
    """Area dominated on the selection samples, up to the smallest untrained row's rate and down to metric 0.

    That reference depends on network and data alone, so studies of one split can be compared.
    """
    rates, values = zip(*(trial.values for trial in finished(study)), strict=True)
    untrained = [row["bpp"] for row in study.user_attrs["baselines"] if row["bpp"] is not None]
    reference = (min(untrained), 0.0)
    return {"value": pareto.hypervolume(rates, values, reference), "reference": reference}


def _bpp_of_a_byte(study: optuna.Study) -> float:
    """From an untrained row: a trial's payload may be no bytes at all."""
    sent = next(row for row in study.user_attrs["baselines"] if row["payload_bytes"])
    found: float = sent["bpp"] / sent["payload_bytes"]
    return found


def _point(number: int, trial: FrozenTrial, bpp_of_a_byte: float) -> Point:
    """The trial as a point of the frontier; the id's byte is counted."""
    row = trial.user_attrs["val"]
    payload_bytes = row["payload_bytes"] + 1
    settings = {
        **trial.user_attrs["point"],
        "trial": trial.number,
        "select": trial.user_attrs["select"]["value"],
    }
    bpp = bpp_of_a_byte * payload_bytes
    return Point(number, f"point-{number:02}", bpp, payload_bytes, row["value"], settings)


def _save_trials(study: optuna.Study, path: Path) -> None:
    """Every trial as a JSON line: number, state, parameters, objectives, attributes."""
    lines = [
        json.dumps(
            {
                "number": trial.number,
                "state": trial.state.name,
                "fate": fate(trial),
                "params": trial.params,
                "values": trial.values if trial.state == TrialState.COMPLETE else None,
                "seconds": trial.duration.total_seconds() if trial.duration else None,
                **trial.user_attrs,  # with seconds of its own, but for interrupted ones
            }
        )
        for trial in study.get_trials(deepcopy=False)
    ]
    with replace_file(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines))
