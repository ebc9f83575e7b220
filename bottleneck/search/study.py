"""The study: ask for a trial, train and measure it, tell what became of it, until there are enough."""

import dataclasses
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from bottleneck.channel import Channel
from bottleneck.cut import Cut
from bottleneck.deploy.frontier import Point
from bottleneck.loss import OperatingPoint
from bottleneck.search.frontiers import save_frontier
from bottleneck.search.leases import Lease, fail_expired
from bottleneck.search.space import Space
from bottleneck.search.storage import open_artifacts, open_storage, open_study
from bottleneck.search.trials import Bench, Constraints, Pruning, run_trial
from bottleneck.training import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """Where a study is kept, and how far it goes.

    Attributes:
        name: The study's name in its storage.
        folder: Receives frontier/, report.html, frontier.png and trials.jsonl.
        storage: URL of the storage, see `open_storage`.
        artifacts: Where trained units are kept, see `open_artifacts`.
        n_trials: Finished trials of the whole study, over all runs and workers.
        max_failures: Failed trials after which the study stops.
        constraints: What a trial has to keep to be on the frontier.
        pruning: When hopeless trials are stopped.
    """

    name: str
    folder: Path
    storage: str
    artifacts: str
    n_trials: int
    max_failures: int = 20
    constraints: Constraints = field(default_factory=Constraints)
    pruning: Pruning = field(default_factory=Pruning)


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
        ValueError: If a trial would train on several devices, the cut is open, nothing untrained is there to
            compare with, or the study was begun with other settings.
    """
    _check(cut, recipe, untrained)
    artifacts = open_artifacts(plan.artifacts)
    study = open_study(plan.name, open_storage(plan.storage), sampler, dict(settings))
    _name_objectives(study, cut.task.metric)
    fail_expired(study)
    try:
        if _open_places(study, plan) > 0:
            bench = Bench.prepare(cut, point, recipe, space, artifacts, plan.constraints, plan.pruning)
            _measure_untrained(study, cut, untrained)
            while _open_places(study, plan) > 0:
                _one_trial(study, bench, plan)
                save_frontier(study, artifacts, plan.folder)
    finally:
        points = save_frontier(study, artifacts, plan.folder)
    return points


def _check(cut: Cut, recipe: Recipe, untrained: Sequence[Channel]) -> None:
    if (devices := recipe.trainer.get("devices", 1)) != 1:
        raise ValueError(
            f"trainer.devices={devices}: a trial trains on one device. Start one command for each GPU "
            "(CUDA_VISIBLE_DEVICES=0, 1, ...); they share the study."
        )
    if cut.open_cut:
        raise ValueError(
            "open_cut=true is for train. A study ends in bundles, which are deployed at closed cuts."
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


def _one_trial(study: optuna.Study, bench: Bench, plan: Plan) -> None:
    """Ask for a trial, run it, tell what became of it."""
    fail_expired(study)
    trial = study.ask()
    # Several workers may see the same open place; the trials asked for last give way.
    before = [t for t in study.get_trials(deepcopy=False) if t.number < trial.number]
    if sum(t.state != TrialState.FAIL for t in before) >= plan.n_trials:
        trial.set_user_attr("surplus", True)
        study.tell(trial, state=TrialState.FAIL)
        return
    with Lease(trial):
        try:
            values = run_trial(study, trial, bench)
        except optuna.TrialPruned as reason:
            study.tell(trial, state=TrialState.PRUNED)
            log.info("trial %d stopped: %s", trial.number, reason)
        except Exception:
            study.tell(trial, state=TrialState.FAIL)
            log.exception("trial %d failed", trial.number)
        except KeyboardInterrupt:
            study.tell(trial, state=TrialState.FAIL)
            raise
        else:
            study.tell(trial, values)
            log.info("trial %d: %.4g bpp, %.4f with %s", trial.number, *values, trial.params)


def _open_places(study: optuna.Study, plan: Plan) -> int:
    """How many trials the study still wants.

    Raises:
        RuntimeError: If too many trials failed.
    """
    trials = study.get_trials(deepcopy=False)
    failed = [t.number for t in trials if t.state == TrialState.FAIL and not t.user_attrs.get("surplus")]
    if len(failed) > plan.max_failures:
        raise RuntimeError(
            f"{len(failed)} trials failed (numbers {failed}), study.max_failures={plan.max_failures}. "
            "The log has their errors; raise the limit to go on."
        )
    return plan.n_trials - sum(t.state != TrialState.FAIL for t in trials)


def _measure_untrained(study: optuna.Study, cut: Cut, untrained: Sequence[Channel]) -> None:
    """Measure the frozen network and the untrained channels once per study, for the picture."""
    if "baselines" not in study.user_attrs:
        cut.fit(untrained)
        rows = [cut.frozen("val"), *cut.measure(untrained, "val")]
        study.set_user_attr("baselines", [dataclasses.asdict(row) for row in rows])
