"""Hopeless trials are stopped, others are not."""

from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from bottleneck.deploy.bundle import Bundle
from bottleneck.search import trials
from bottleneck.search.trials import Pruning, StopHopeless

PRUNING = Pruning(after=0.5, value_margin=0.05, rate_margin=0.1)


def study_with(*midways):
    study = optuna.create_study(directions=["minimize", "maximize"])
    for value, bpp in midways:
        study.add_trial(
            create_trial(values=[bpp, value], user_attrs={"midway": {"value": value, "bpp": bpp}})
        )
    return study


def rival_of(study, value, bpp, epoch=4):
    """What the callback decides for a trial with these figures at the end of an epoch."""
    return stopped(study, value, bpp, epoch).rival


def stopped(study, value, bpp, epoch=4):
    """The callback after the end of an epoch with these figures."""
    stop = StopHopeless(study, PRUNING, 10, "accuracy_top1")
    assert validate(stop, value, bpp, epoch) == (stop.rival is not None)
    return stop


def validate(stop, value, bpp, epoch, sanity_checking=False):
    """Whether the callback stops a training whose validation in an epoch has these figures."""
    trainer = SimpleNamespace(
        current_epoch=epoch,
        callback_metrics={"val/accuracy_top1": value, "val/entropy_bpp": bpp},
        should_stop=False,
        sanity_checking=sanity_checking,
    )
    stop.on_validation_end(trainer, None)
    return trainer.should_stop


@pytest.mark.parametrize(
    ("value", "bpp", "rival"),
    [
        (0.80, 1.0, 0),  # clearly worse and clearly larger
        (0.94, 1.0, None),  # worse by less than the margin
        (0.80, 0.51, None),  # larger by less than the margin
        (0.80, 0.1, None),  # smaller
        (0.99, 9.0, None),  # better
    ],
)
def test_only_clear_losers_are_stopped(value, bpp, rival):
    """A trial is stopped when another was better and smaller by both margins at the same age."""
    assert rival_of(study_with((0.95, 0.5)), value, bpp) == rival


def test_comparison_happens_once_at_its_age():
    """Before half of the epochs nothing is compared, nor again, however often a target is judged."""
    stop = StopHopeless(study_with((0.95, 0.5)), PRUNING, 10, "accuracy_top1")
    assert not validate(stop, 0.1, 9.0, 4, sanity_checking=True)
    assert not validate(stop, 0.1, 9.0, 3)
    assert not validate(stop, 0.99, 9.0, 4)
    assert not validate(stop, 0.1, 9.0, 4)
    assert not validate(stop, 0.1, 9.0, 5)
    assert stop.midway == {"value": 0.99, "bpp": 9.0}


def test_comparison_that_no_validation_meets_is_made_at_the_next():
    """Where a target is judged more rarely than after every epoch, all trials are compared a little older."""
    assert rival_of(study_with((0.95, 0.5)), 0.1, 9.0, epoch=5) == 0


def test_pruned_and_running_trials_are_no_rivals():
    """Only finished trials stop others, so that two losers cannot stop each other's betters."""
    study = study_with()
    pruned = {"midway": {"value": 0.99, "bpp": 0.01}}
    study.add_trial(create_trial(state=TrialState.PRUNED, user_attrs=pruned))
    assert rival_of(study, 0.1, 9.0) is None


def test_figures_are_kept_for_later_trials():
    """What a trial was at the age of comparison is there to be recorded with it."""
    assert stopped(study_with(), 0.7, 0.3).midway == {"value": 0.7, "bpp": 0.3}


def test_pruning_can_be_switched_off():
    """With `study.pruning.after=null` no trial is ever compared."""
    never = Pruning(after=None)
    stop = StopHopeless(study_with((0.95, 0.5)), never, 10, "accuracy_top1")
    assert not validate(stop, 0.1, 9.0, 4)
    assert stop.midway is None


def test_object_store_that_is_away_is_the_machines_fault(digits_bundle, monkeypatch):
    """Whatever its client raises becomes an `OSError` with a sentence, which costs no trial."""

    def lost(**_):
        raise RuntimeError("Could not connect to the endpoint URL")

    monkeypatch.setattr(trials, "upload_artifact", lost)
    with pytest.raises(OSError, match=r"study\.artifacts takes no units: Could not connect .* goes on"):
        trials._upload(Bundle.read(digits_bundle), None, None)
