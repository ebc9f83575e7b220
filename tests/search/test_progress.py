"""A study says how far it is."""

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from bottleneck.search.places import Outcome
from bottleneck.search.progress import Progress

DRAWN = {"latent_channels": 8, "stride": 2, "step": 0.5, "alpha": 3.0}


@pytest.fixture
def study():
    """A study with one trial from before."""
    study = optuna.create_study(directions=["minimize", "maximize"])
    finish(study, 0, 0.9, 40.0)
    return study


def finish(study, place, value, size):
    """Add a finished trial; its outcome."""
    row = {"value": value, "payload_bytes": size}
    attrs = {"place": place, "point": DRAWN, "select": row, "val": row}
    study.add_trial(create_trial(values=(1.0, value), user_attrs=attrs))
    return Outcome(TrialState.COMPLETE, attrs, (1.0, value))


def test_a_finished_trial_is_a_line(study):
    """Which of how many, what it reached with what was drawn, the best so far, and the time to go."""
    now = [100.0]
    progress = Progress(study, 5, lambda: now[0])
    outcome = finish(study, 1, 0.974, 5.1)
    now[0] += 90
    assert progress.line(outcome) == (
        "trial 2 of 5: 0.9740 from 5.1 bytes (C_r 8, S 2, Q 0.5, alpha 3) · "
        "best so far 0.9740 from 5.1 bytes · 4 min to go"
    )


def test_a_trial_that_guesses_says_so(study):
    """And what may help; it counts, and is on no frontier beside others."""
    outcome = finish(study, 1, 0.1, 4.0)
    outcome.attrs["guesses"] = "its accuracy_top1 of 0.100 is that of guessing: raise alpha"
    line = Progress(study, 5).line(outcome)
    assert (
        "0.1000 from 4.0 bytes (C_r 8, S 2, Q 0.5, alpha 3); its accuracy_top1 of 0.100 is that of g" in line
    )


def test_time_to_go_counts_what_other_workers_finish(study):
    """Two trials in a minute, whoever ran them, leave half a minute for the last one."""
    now = [0.0]
    progress = Progress(study, 4, lambda: now[0])
    finish(study, 1, 0.8, 9.0)
    outcome = finish(study, 2, 0.7, 9.0)
    now[0] = 60.0
    assert progress.line(outcome).endswith("best so far 0.9000 from 40.0 bytes · 30 s to go")


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome(TrialState.PRUNED, {"twin": 4}), "the same point as trial 4"),
        (
            Outcome(TrialState.PRUNED, {"rival": 2, "point": DRAWN}),
            "stopped early, trial 2 was better and smaller",
        ),
        (
            Outcome(TrialState.PRUNED, {"ailment": "it sends nothing: lower unit.step", "point": DRAWN}),
            "stopped early, it sends nothing: lower unit.step",
        ),
        (Outcome(TrialState.FAIL, {"error": "RuntimeError: no"}), "failed: RuntimeError: no"),
    ],
)
def test_other_ends_are_told(study, outcome, told):
    """A trial that was stopped, or that failed, says why."""
    assert told in Progress(study, 5).line(outcome)


def test_the_last_line_promises_nothing(study):
    """Where no place is open there is no time to go."""
    assert "to go" not in Progress(study, 2).line(finish(study, 1, 0.9, 9.0))
