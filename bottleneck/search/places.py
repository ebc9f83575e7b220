"""Places: a study has as many as trials are wanted, and each is filled by one trial.

    place 0 ── trial 0, finished
    place 1 ── trial 1, whose worker was killed ── trial 3 draws the same, finished
    place 2 ── trial 2, which failed by itself ─── trial 4 draws something else, finished

What a trial draws follows from the study's seed, its place, and how many trials have failed there by
themselves. So a study that was interrupted ends in the same trials as one that was not.
"""

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from bottleneck.search import leases

log = logging.getLogger(__name__)

_FATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "stopped early",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
        state: `COMPLETE`, `PRUNED` or `FAIL`.
        attrs: What is to be known of it; a reason as `error` where it failed by itself.
        values: Its objectives, where it is complete.
        constraints: By how much each limit is exceeded; up to zero is kept.
    """

    state: TrialState
    attrs: dict[str, Any] = field(default_factory=dict)
    values: tuple[float, float] | None = None
    constraints: dict[str, float] = field(default_factory=dict)


def fate(trial: FrozenTrial) -> str:
    """What became of a trial, in words: one that failed without an error was interrupted."""
    if trial.state != TrialState.FAIL:
        return _FATES[trial.state]
    if "surplus" in trial.user_attrs:
        return "surplus"
    return "failed" if "error" in trial.user_attrs else "interrupted"


def draw_of(trial: FrozenTrial) -> list[int]:
    """What a trial's draws follow from, beside the study's seed: its place, and failures there, if any."""
    failures = trial.user_attrs.get("failures", 0)
    return [_place(trial), failures] if failures else [_place(trial)]


def open_places(study: optuna.Study, n_places: int) -> list[int]:
    """Places that no trial holds or has filled, those that were interrupted least often first."""
    trials = study.get_trials(deepcopy=False)
    taken = {_place(trial) for trial in trials if trial.state not in (TrialState.FAIL, TrialState.WAITING)}
    interruptions = Counter(_place(trial) for trial in trials if fate(trial) == "interrupted")
    return sorted(set(range(n_places)) - taken, key=lambda place: (interruptions[place], place))


def held(study: optuna.Study, n_places: int) -> bool:
    """Whether a trial at one of the places is still running."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return any(_place(trial) < n_places for trial in running)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Finished trials, but for those that another program has added: they were not measured."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in trials if "val" in trial.user_attrs]


def take(study: optuna.Study, n_places: int) -> optuna.Trial | None:
    """A trial at an open place; `None` where there is none.

    Several workers may take one place at a time: the trial with the lowest number has it, others give way.
    """
    while open_now := open_places(study, n_places):
        trials = study.get_trials(deepcopy=False)
        if not any(trial.state == TrialState.WAITING for trial in trials):
            place = open_now[0]
            failures = sum(_place(trial) == place and fate(trial) == "failed" for trial in trials)
            attrs = {"place": place, "failures": failures, leases.KEY: leases.lease()}
            study.enqueue_trial({}, user_attrs=attrs)
        trial = study.ask()
        if _place_of(trial) in open_now and not _others(study, trial, below=trial.number):
            return trial
        _give_way(study, trial)
    return None


def settle(study: optuna.Study, trial: optuna.Trial, outcome: Outcome) -> None:
    """Tell what became of a trial.

    One that was taken away meanwhile, because its worker was silent for too long, is kept as a trial of its
    own; where its place has been filled in the meantime, it gives way.
    """
    if outcome.state != TrialState.FAIL and _others(study, trial, filled=True):
        log.warning("trial %d: another worker has filled its place meanwhile", trial.number)
        _give_way(study, trial)
        return
    try:
        for key, value in outcome.attrs.items():
            trial.set_user_attr(key, value)
        for name, excess in outcome.constraints.items():
            trial.set_constraint(name, excess)
        study.tell(trial, outcome.values, outcome.state)
    except (optuna.exceptions.UpdateFinishedTrialError, ValueError):
        if _state(study, trial) == TrialState.RUNNING:
            raise
        log.warning("trial %d was taken away from this worker, which was silent for too long", trial.number)
        if outcome.state != TrialState.FAIL:
            kept = {**trial.user_attrs, **outcome.attrs, "kept_from": trial.number}
            study.add_trial(
                create_trial(
                    state=outcome.state,
                    values=outcome.values,
                    params=trial.params,
                    distributions=trial.distributions,
                    user_attrs=kept,
                    constraints=outcome.constraints,
                )
            )


def _give_way(study: optuna.Study, trial: optuna.Trial) -> None:
    if _state(study, trial) == TrialState.RUNNING:
        trial.set_user_attr("surplus", True)
    study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)


def _others(study: optuna.Study, trial: optuna.Trial, below: int | None = None, filled: bool = False) -> bool:
    """Whether another trial has the same place, or filled it."""
    states = (TrialState.COMPLETE, TrialState.PRUNED) + (() if filled else (TrialState.RUNNING,))
    return any(
        other.number != trial.number
        and (below is None or other.number < below)
        and _place(other) == _place_of(trial)
        for other in study.get_trials(deepcopy=False, states=states)
    )


def _place(trial: FrozenTrial) -> int:
    """Trials of releases without places had their number for one."""
    place: int = trial.user_attrs.get("place", trial.number)
    return place


def _place_of(trial: optuna.Trial) -> int | None:
    """The place of a trial that was asked for; `None` where another was faster and the queue empty."""
    return trial.user_attrs.get("place")


def _state(study: optuna.Study, trial: optuna.Trial) -> TrialState:
    return study.get_trials(deepcopy=False)[trial.number].state
