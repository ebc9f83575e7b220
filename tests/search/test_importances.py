"""Importances name the parameters that decide, or say that it is too early to tell."""

import optuna
import pytest

from bottleneck.search.importances import importances

NAMES = ("rate", "metric")


def study(n_trials, objectives):
    made = optuna.create_study(
        directions=["minimize", "maximize"], sampler=optuna.samplers.RandomSampler(seed=0)
    )

    def run(trial):
        stride = trial.suggest_categorical("stride", [1, 2, 3])
        return objectives(stride, trial.suggest_float("step", 0, 1))

    made.optimize(run, n_trials=n_trials)
    return made


def test_the_parameter_that_decides_comes_first():
    """Each objective has shares of its own, which sum to one and fall."""
    found = importances(study(30, lambda stride, step: (stride + 0.01 * step, step)), NAMES).shares
    assert next(iter(found["rate"])) == "stride"
    assert next(iter(found["metric"])) == "step"
    for shares in found.values():
        assert sum(shares.values()) == pytest.approx(1)
        assert max(shares.values()) > 0.9


def test_shares_are_the_same_every_time():
    """Writing the report again changes no number."""
    made = study(12, lambda stride, step: (stride * step, step))
    assert importances(made, NAMES) == importances(made, NAMES)


def test_too_few_trials_give_a_reason():
    """Below ten finished trials nothing is claimed, and the note says so."""
    found = importances(study(9, lambda stride, step: (stride, step)), NAMES)
    assert not found.shares
    assert "takes 10 finished trials; there are 9" in found.note


def test_objective_without_differences_has_no_shares():
    """Where all trials agree on the rate, no parameter can have decided it."""
    found = importances(study(12, lambda stride, step: (1.0, step)), NAMES)
    assert list(found.shares) == ["metric"]
