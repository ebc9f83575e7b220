"""What a study found: the Pareto frontier as a folder that runs, and as pictures.

    frontier/ frontier.json   one entry per point, by rising bpp on the validation samples
              point-00/ ...   its bundle
    frontier.png  report.html  trials.jsonl

The frontier is chosen on the selection samples and reported on the validation samples. A trial whose bundle
is damaged or gone is no point of it, and spoils no other.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.artifacts import download_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import FrozenTrial, TrialState

from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import FRONTIER_FILES, Point, write_frontier
from bottleneck.files import replace_folder, replace_text
from bottleneck.measure import pareto
from bottleneck.measure.results import Result
from bottleneck.search.places import fate, finished
from bottleneck.search.study_report import write_study_report
from bottleneck.search.trials import BUNDLE_FILES, Constraints
from bottleneck.show.pictures import draw_frontier

log = logging.getLogger(__name__)


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
    with FileLock(folder / "frontier.lock"), tempfile.TemporaryDirectory() as fetched:
        _save_trials(study, folder / "trials.jsonl")
        chosen = _with_bundles(study, artifacts, constraints, Path(fetched))
        if not chosen:
            return []
        hypervolume = _hypervolume(study)
        about = {"metric": chosen[0].user_attrs["val"]["metric"], "hypervolume": hypervolume}
        points = [
            _point(number, trial, _bpp_of_a_byte(study))
            for number, trial in enumerate(sorted(chosen, key=lambda trial: trial.user_attrs["val"]["bpp"]))
        ]
        with replace_folder(folder / "frontier", *FRONTIER_FILES) as fresh:
            for point in points:
                shutil.move(Path(fetched, str(point.settings["trial"])), fresh / point.bundle)
            write_frontier(fresh, points, about)
        draw_frontier(
            [Result(**trial.user_attrs["val"]) for trial in finished(study)],
            [Result(**study_row) for study_row in study.user_attrs.get("baselines", [])],
            [(point.payload_bytes, point.value) for point in points],
            folder / "frontier.png",
        )
        write_study_report(study, points, hypervolume, folder / "report.html")
        return points


def best_trials(
    study: optuna.Study, constraints: Constraints, lost: Collection[int] = ()
) -> list[FrozenTrial]:
    """Finished trials that keep the constraints and that no other beats on both objectives, by rising bpp.

    One that guesses is none beside others that do not, although nothing may have fewer bytes.

    Args:
        study: Its finished trials carry rows.
        constraints: What those of the frontier keep.
        lost: Numbers of trials that have no bundle any more, and so beat nothing.
    """
    known = [trial for trial in finished(study) if trial.number not in lost]
    useful = [t for t in known if "guesses" not in t.user_attrs] or known
    trials = [t for t in useful if constraints.kept(Result(**t.user_attrs["select"]))]
    if not trials:
        return []
    rates, values = zip(*(trial.values for trial in trials), strict=True)
    return [trials[index] for index in pareto.frontier(rates, values)]


def _with_bundles(
    study: optuna.Study, artifacts: Any, constraints: Constraints, fetched: Path
) -> list[FrozenTrial]:
    """The best trials whose bundles can be read, each in a folder of its trial's number."""
    lost: set[int] = set()
    while True:
        chosen = best_trials(study, constraints, lost)
        before = len(lost)
        for trial in chosen:
            bundle = fetched / str(trial.number)
            if bundle.exists():
                continue
            bundle.mkdir()
            try:
                for name in BUNDLE_FILES:
                    download_artifact(
                        artifact_store=artifacts,
                        artifact_id=trial.user_attrs["bundle"][name],
                        file_path=str(bundle / name),
                    )
                Bundle.read(bundle)
            except (ArtifactNotFound, ValueError):
                lost.add(trial.number)
                log.warning(
                    "trial %d is left out of the frontier: its unit in study.artifacts is damaged or gone. "
                    "Put %s back from a copy, or raise study.n_trials for others.",
                    trial.number,
                    " and ".join(trial.user_attrs["bundle"].values()),
                )
        if len(lost) == before:
            return chosen


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
    replace_text(path, "".join(f"{line}\n" for line in lines))
