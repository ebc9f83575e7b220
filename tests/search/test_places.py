"""Every place of a study is filled once, whatever happens to the workers."""

from collections import Counter

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from bottleneck.search.places import Outcome, draw_of, fate, open_places, settle, take
from bottleneck.search.samplers import SeededPerTrial
from bottleneck.search.storage import open_storage

PLACES = 4


@pytest.fixture
def study(tmp_path):
    return optuna.create_study(
        study_name="s",
        storage=open_storage(f"journal:///{tmp_path}/s.journal"),
        sampler=SeededPerTrial(RandomSampler, seed=0),
        directions=["minimize", "maximize"],
    )


def begin(study):
    """Take a trial and draw."""
    trial = take(study, PLACES)
    if trial is not None:
        trial.suggest_float("x", 0, 1)
    return trial


def complete(trial):
    return Outcome(TrialState.COMPLETE, {"note": "kept"}, (trial.params["x"], 0.5), {"max_bytes": -1.0})


def draws(study):
    return [t.params["x"] for t in study.trials if t.state == TrialState.COMPLETE]


def run_to_the_end(study):
    while (trial := begin(study)) is not None:
        settle(study, trial, complete(trial))


def undisturbed():
    """What four places draw in a study that nothing happens to."""
    study = optuna.create_study(
        sampler=SeededPerTrial(RandomSampler, seed=0), directions=["minimize", "maximize"]
    )
    run_to_the_end(study)
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3]
    return draws(study)


def test_interrupted_place_is_drawn_again(study):
    """Whichever trials are killed, the study ends with the draws of an undisturbed one."""
    for _ in range(3):
        study.tell(begin(study), state=TrialState.FAIL)
    run_to_the_end(study)
    assert sorted(draws(study)) == sorted(undisturbed())
    assert Counter(map(fate, study.trials)) == {"finished": 4, "interrupted": 3}


def test_place_that_was_interrupted_often_comes_last(study):
    """A trial that kills every worker does not keep the others from being run."""
    for _ in range(2):
        study.tell(begin(study), state=TrialState.FAIL)
    assert open_places(study, PLACES) == [2, 3, 0, 1]


def test_failed_place_draws_something_else(study):
    """A trial that failed by itself would fail again, so its place gets another draw."""
    first = begin(study)
    settle(study, first, Outcome(TrialState.FAIL, {"error": "ValueError: no"}))
    second = begin(study)
    assert draw_of(study.trials[second.number]) == [0, 1]
    assert first.params != second.params
    assert [fate(trial) for trial in study.trials] == ["failed", "running"]


def test_two_workers_at_one_place(study, monkeypatch):
    """Workers that see the same open place end with one trial there, and the rest elsewhere."""
    taken = [begin(study)]

    def overtaken(*arguments, ask=optuna.Study.ask, **options):
        monkeypatch.setattr(optuna.Study, "ask", ask)
        taken.append(begin(study))  # another worker pops what this one has put into the queue
        return ask(study)

    monkeypatch.setattr(optuna.Study, "ask", overtaken)
    taken.append(begin(study))
    places = [trial.user_attrs["place"] for trial in taken]
    assert sorted(places) == [0, 1, 2]
    assert sum(fate(trial) == "surplus" for trial in study.trials) == 1


def test_trial_left_in_the_queue_is_taken_by_the_next(study):
    """Who dies between putting a trial into the queue and taking it leaves it to others."""
    study.enqueue_trial({}, user_attrs={"place": 0})
    trial = begin(study)
    assert (trial.number, trial.user_attrs["place"]) == (0, 0)


def test_result_of_a_trial_that_was_taken_away_is_kept(study):
    """A worker that was taken for dead loses neither its life nor what it has found."""
    trial = begin(study)
    outcome = complete(trial)
    study.tell(trial.number, state=TrialState.FAIL)  # by another worker
    settle(study, trial, outcome)
    kept = study.trials[-1]
    assert (kept.state, kept.values, kept.params) == (TrialState.COMPLETE, list(outcome.values), trial.params)
    assert kept.user_attrs["note"] == "kept"
    assert kept.constraints == outcome.constraints
    assert open_places(study, PLACES) == [1, 2, 3]


def test_result_at_a_place_that_is_filled_gives_way(study):
    """Of two finished trials at one place, the first is kept, whoever was taken for dead."""
    slow = begin(study)
    study.tell(slow.number, state=TrialState.FAIL)
    quick = begin(study)
    settle(study, quick, complete(quick))
    settle(study, slow, complete(slow))
    run_to_the_end(study)
    assert sorted(draws(study)) == sorted(undisturbed())


def test_error_of_a_trial_that_was_taken_away_is_dropped(study):
    """Nor does a worker end when a trial fails that it no longer has."""
    trial = begin(study)
    study.tell(trial.number, state=TrialState.FAIL)
    settle(study, trial, Outcome(TrialState.FAIL, {"error": "ValueError: no"}))
    assert fate(study.trials[0]) == "interrupted"


def test_studies_without_places_go_on(study):
    """Trials of an earlier release stand at the places of their numbers."""
    for state in (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED):
        study.tell(study.ask(), (1.0, 0.5) if state == TrialState.COMPLETE else None, state)
    assert open_places(study, PLACES) == [3, 1]
