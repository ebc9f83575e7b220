"""The study: ask for a trial, train and measure it, tell what became of it, until there are enough."""

import contextlib
import dataclasses
import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna import get_all_study_names
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from bottleneck.channel import Channel
from bottleneck.cut import Cut
from bottleneck.deploy.frontier import Point
from bottleneck.files import writable
from bottleneck.loss import OperatingPoint
from bottleneck.search.frontiers import save_frontier
from bottleneck.search.leases import Lease, Watch
from bottleneck.search.places import Outcome, fate, held, open_places, settle, take
from bottleneck.search.progress import Progress
from bottleneck.search.space import Space
from bottleneck.search.storage import (
    FAILURES,
    answering,
    check_known,
    open_artifacts,
    open_storage,
    open_study,
)
from bottleneck.search.trials import Bench, Constraints, Pruning, run_trial
from bottleneck.training import Recipe

log = logging.getLogger(__name__)

_LOOK_S = 1.0  # between looks at trials that others hold


@dataclass(frozen=True)
class Plan:
    """Where a study is kept, and how far it goes.

    Attributes:
        name: The study's name in its storage.
        folder: Receives frontier/, report.html, frontier.png and trials.jsonl.
        storage: URL of the storage, see `open_storage`.
        artifacts: Where trained units are kept, see `open_artifacts`.
        n_trials: Finished trials of the whole study, over all runs and workers.
        max_failures: Trials that failed by themselves after which the study stops.
        constraints: What a trial has to keep to be on the frontier.
        pruning: When hopeless trials are stopped.

    Raises:
        ValueError: If there is no name, or a number is none; the message names the configuration key.
    """

    name: str
    folder: Path
    storage: str
    artifacts: str
    n_trials: int
    max_failures: int = 20
    constraints: Constraints = field(default_factory=Constraints)
    pruning: Pruning = field(default_factory=Pruning)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"study.name={self.name} names no study. Give a word; the same continues it.")
        for key in ("n_trials", "max_failures"):
            if type(count := getattr(self, key)) is not int or count < 0:
                raise ValueError(f"study.{key}={count} must be a whole number of at least 0.")


@answering()
def search(
    cut: Cut,
    point: OperatingPoint,
    recipe: Recipe,
    space: Space,
    sampler: BaseSampler,
    plan: Plan,
    untrained: Sequence[Channel],
    settings: Mapping[str, Any],
) -> list[Point]:
    """Run trials until the study has `plan.n_trials` finished ones, and write its frontier after each.

    Args:
        cut: Where units are trained.
        point: What all trials have in common.
        recipe: How each is trained.
        space: What they draw.
        sampler: How they draw it.
        plan: Where the study is kept, and how far it goes.
        untrained: Unfitted channels at the cut, measured once per study; the smallest bounds its hypervolume.
        settings: What two runs of the study must agree on, JSON-able.

    Returns:
        The frontier's points.

    Raises:
        ValueError: If a trial would train on several devices, no trial can have the targets of the space,
            the cut is open, nothing untrained is there to compare with, or no images to rank trials on, the
            study was begun with other settings, or without trials is unknown, or too many trials failed.
        OSError: If the machine fails: a full disk, a storage that is away, a folder that cannot be written.
            The same call goes on later.
    """
    _check(cut, point, recipe, space, untrained)
    writable(plan.folder)  # before a trial is trained for nothing
    artifacts = open_artifacts(plan.artifacts)
    storage = open_storage(plan.storage)
    if plan.n_trials == 0:
        check_known(plan.name, storage)
    elif (old := plan.folder / "trials.jsonl").exists() and plan.name not in get_all_study_names(storage):
        log.warning(
            "study.name=%s is not in study.storage, although %s has trials: the storage was emptied, or is "
            "another one. A new study begins, and takes the place of the old one's files.",
            plan.name,
            old,
        )
    study = open_study(plan.name, storage, sampler, dict(settings))
    progress = Progress(study, plan.n_trials)
    _name_objectives(study, cut.task.metric)
    watch, bench = Watch(), None
    while True:
        watch.fail_lost(study)
        if open_places(study, plan.n_trials):
            _check_failures(study, plan)
            if bench is None:
                bench = Bench.prepare(cut, point, recipe, space, artifacts, plan.constraints, plan.pruning)
                _measure_untrained(study, cut, untrained)
            if (trial := take(study, plan.n_trials)) is not None:
                _run(study, trial, bench, progress)
                save_frontier(study, artifacts, plan.folder, plan.constraints)
        elif held(study, plan.n_trials):
            time.sleep(_LOOK_S)  # whoever holds the last trials may die
        else:  # also for one who died before writing
            return save_frontier(study, artifacts, plan.folder, plan.constraints)


@answering()
def release(name: str, storage: str) -> None:
    """Let go of the trials whose workers on this machine are dead, if there is such a study yet."""
    with contextlib.suppress(KeyError):
        Watch().fail_lost(optuna.load_study(study_name=name, storage=open_storage(storage)))


def _check(
    cut: Cut, point: OperatingPoint, recipe: Recipe, space: Space, untrained: Sequence[Channel]
) -> None:
    space.check(point)
    if (devices := recipe.trainer.get("devices", 1)) != 1:
        raise ValueError(
            f"trainer.devices={devices}: a trial trains on one device. Start one command for each GPU "
            "(CUDA_VISIBLE_DEVICES=0, 1, ...); they share the study."
        )
    if point.rates > 1:
        raise ValueError(f"unit.rates={point.rates} is for train. A study's trials are one rate each: use 1.")
    if cut.open_cut:
        raise ValueError(
            "open_cut=true is for train. A study ends in bundles, which are deployed at closed cuts."
        )
    if not cut.images.count("select"):
        raise ValueError(
            "No images are held out that trials could be ranked on. Set data.holdout to a share above 0, "
            "such as 0.1."
        )
    if not untrained:
        raise ValueError(
            "suite.feature is empty: a study's hypervolume ends at the smallest untrained method. Leave one, "
            "as suite=features does."
        )


def _name_objectives(study: optuna.Study, metric: str) -> None:
    """Label the axes of optuna-dashboard and of Optuna's own pictures."""
    with warnings.catch_warnings():
        # Called experimental since Optuna 3.2, and unchanged since.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(["bpp", metric])


def _run(study: optuna.Study, trial: optuna.Trial, bench: Bench, progress: Progress) -> None:
    """Run a trial and tell what became of it; what fails by itself is told, what interrupts it raised."""
    began = time.monotonic()
    with Lease(trial):
        try:
            outcome = run_trial(study, trial, bench)
        except (OSError, *FAILURES, KeyboardInterrupt, SystemExit):  # the machine's doing or the user's
            with contextlib.suppress(*FAILURES):  # a storage that is away finds out by the lease
                settle(study, trial, Outcome(TrialState.FAIL))
            raise
        except Exception as error:
            log.exception("trial %d failed", trial.number)
            outcome = Outcome(TrialState.FAIL, {"error": f"{type(error).__name__}: {error}"})
        # Optuna's own times are the system's clock, which may be set meanwhile.
        attrs = {**outcome.attrs, "seconds": time.monotonic() - began}
        settle(study, trial, dataclasses.replace(outcome, attrs=attrs))
    log.info(progress.line(outcome))


def _check_failures(study: optuna.Study, plan: Plan) -> None:
    failed = [trial for trial in study.get_trials(deepcopy=False) if fate(trial) == "failed"]
    if len(failed) > plan.max_failures:
        raise ValueError(
            f"{len(failed)} trials failed, study.max_failures={plan.max_failures}. Number "
            f"{failed[-1].number} ended with {failed[-1].user_attrs['error'].rstrip('.')}. The log has all "
            "errors; mend what they name, or raise the limit to go on."
        )


def _measure_untrained(study: optuna.Study, cut: Cut, untrained: Sequence[Channel]) -> None:
    """Measure the frozen network and the untrained channels once per study, for the picture."""
    if "baselines" not in study.user_attrs:
        cut.fit(untrained)
        rows = [cut.frozen("val"), *cut.measure(untrained, "val")]
        study.set_user_attr("baselines", [dataclasses.asdict(row) for row in rows])
