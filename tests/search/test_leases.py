"""Workers that die lose their own trial, and nobody else does."""

import multiprocessing
import time

import optuna
import pytest
from optuna.trial import TrialState

from bottleneck.search import leases
from bottleneck.search.leases import Lease, Watch
from bottleneck.search.storage import open_storage


@pytest.fixture
def url(tmp_path):
    return f"journal:///{tmp_path}/study.journal"


class Clock:
    """A clock that somebody sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def study_at(url):
    return optuna.create_study(study_name="s", storage=open_storage(url), load_if_exists=True)


def hold_for_ever(url):
    with Lease(study_at(url).ask()):
        time.sleep(600)


def states(url):
    return [trial.state for trial in study_at(url).trials]


def elsewhere(monkeypatch):
    """From now on this process is one of another machine, or of another container."""
    monkeypatch.setattr(leases, "_processes", lambda: "elsewhere")


def test_held_trial_is_left_alone(url):
    """A trial whose worker is alive stays running."""
    study = study_at(url)
    with Lease(study.ask()):
        assert Watch().fail_lost(study) == []
    assert states(url) == [TrialState.RUNNING]


def test_trial_of_a_killed_worker_fails_at_once(url):
    """After SIGKILL, the next command that sees the same processes fails the trial without waiting."""
    worker = multiprocessing.get_context("spawn").Process(target=hold_for_ever, args=(url,))
    worker.start()
    try:
        study = study_at(url)
        while worker.is_alive() and not any("lease" in trial.user_attrs for trial in study.trials):
            time.sleep(0.05)  # on a busy machine it imports for minutes
        assert Watch().fail_lost(study) == []
    finally:
        worker.kill()
        worker.join()
    assert Watch().fail_lost(study_at(url)) == [0]
    assert states(url) == [TrialState.FAIL]


def test_dead_process_of_another_container_is_not_looked_up_here(url, monkeypatch):
    """The same host name does not mean the same processes: a number that is free here may be alive there."""
    study, watch = study_at(url), Watch()
    with monkeypatch.context() as patch:
        elsewhere(patch)
        dead = {**leases.lease(), "pid": 2**22 + 1}  # no process has it
    study.ask().set_user_attr("lease", dead)
    assert watch.fail_lost(study) == []


def test_silent_worker_elsewhere_loses_its_trial_after_a_while_of_ones_own_clock(url, monkeypatch):
    """Only how long the lease stays the same counts, from when it was first seen."""
    study, clock = study_at(url), Clock()
    with monkeypatch.context() as patch:
        elsewhere(patch)
        with Lease(study.ask()):
            pass
    watch = Watch(clock)
    clock.now = 1e6
    assert watch.fail_lost(study) == []
    clock.now += leases._EXPIRE_S - 1
    assert watch.fail_lost(study) == []
    clock.now += 2
    assert watch.fail_lost(study) == [0]


@pytest.mark.parametrize("shift", [-3600.0, -100.0, 100.0, 3600.0])
def test_wrong_clock_costs_nobody_a_trial(url, monkeypatch, shift):
    """A worker whose clock is wrong, or jumps, keeps its trial as long as it renews its lease."""
    study, clock = study_at(url), Clock()
    trial, watch = study.ask(), Watch(clock)
    real = time.time
    with monkeypatch.context() as patch:
        elsewhere(patch)
        patch.setattr(leases.time, "time", lambda: real() + shift)
        for beat in range(30):
            trial.set_user_attr("lease", leases.lease(beat))
            with pytest.MonkeyPatch.context() as undo:
                undo.setattr(leases, "_processes", lambda: "here")
                assert watch.fail_lost(study) == []
            clock.now += leases._RENEW_S


def test_lease_is_renewed_while_it_is_held(url, monkeypatch):
    """The lease changes as long as the worker works, and stops with it."""
    monkeypatch.setattr(leases, "_RENEW_S", 0.02)
    study = study_at(url)

    def beats():
        return study.trials[0].user_attrs["lease"]["beat"]

    with Lease(study.ask()):
        first = beats()
        time.sleep(0.3)
        assert beats() > first
    last = beats()
    time.sleep(0.1)
    assert beats() == last


def test_trial_without_a_lease_is_given_time(url):
    """A trial that was only just asked for is not taken away before its first lease."""
    study, clock = study_at(url), Clock()
    study.ask()
    watch = Watch(clock)
    assert watch.fail_lost(study) == []
    clock.now += leases._EXPIRE_S + 1
    assert watch.fail_lost(study) == [0]
