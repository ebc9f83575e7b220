"""Which trials a frontier is made of."""

import dataclasses

import optuna
import pytest
from optuna.trial import create_trial

from bottleneck.measure.results import Result
from bottleneck.search.frontiers import best_trials
from bottleneck.search.trials import Constraints


@pytest.fixture
def study():
    """A study without trials."""
    return optuna.create_study(directions=["minimize", "maximize"])


def finish(study, value, size, **attrs):
    """Add a finished trial."""
    about = ("bottleneck", "classification", "digits", "m", "layer2", 100, "accuracy_top1")
    row = dataclasses.asdict(Result(*about, value, 0.99, payload_bytes=size, bpp=size / 8))
    study.add_trial(create_trial(values=(size / 8, value), user_attrs={"select": row, "val": row, **attrs}))


def test_trials_that_another_beats_on_both_are_none(study):
    """By rising rate."""
    for value, size in ((0.9, 9), (0.8, 3), (0.7, 5), (0.95, 20)):
        finish(study, value, size)
    assert [trial.values[1] for trial in best_trials(study, Constraints())] == [0.8, 0.9, 0.95]


def test_a_trial_that_guesses_is_none_beside_others(study):
    """Nothing has fewer bytes than a unit that sends zeros, and nobody wants it; a study of such has them."""
    finish(study, 0.1, 4, guesses="its accuracy_top1 of 0.100 is that of guessing")
    assert [trial.values[1] for trial in best_trials(study, Constraints())] == [0.1]
    finish(study, 0.9, 9)
    assert [trial.values[1] for trial in best_trials(study, Constraints())] == [0.9]
