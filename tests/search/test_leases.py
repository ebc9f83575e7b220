"""Workers that die lose their own trial, and nobody else does."""

import multiprocessing
import os
import signal
import time

import optuna
import pytest
from optuna.trial import TrialState

from bottleneck.search import leases
from bottleneck.search.leases import Lease, fail_expired
from bottleneck.search.storage import open_storage


@pytest.fixture
def url(tmp_path):
    return f"journal:///{tmp_path}/study.journal"


def study_at(url):
    return optuna.create_study(study_name="s", storage=open_storage(url), load_if_exists=True)


def hold_for_ever(url):
    with Lease(study_at(url).ask()):
        time.sleep(600)


def states(url):
    return [trial.state for trial in study_at(url).trials]


def test_held_trial_is_left_alone(url):
    """A trial whose worker is alive stays running."""
    study = study_at(url)
    with Lease(study.ask()):
        assert fail_expired(study) == []
    assert states(url) == [TrialState.RUNNING]


def test_trial_of_a_killed_worker_fails_at_once(url):
    """After SIGKILL, the next command on the host marks the trial as failed without waiting."""
    worker = multiprocessing.get_context("spawn").Process(target=hold_for_ever, args=(url,))
    worker.start()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any("lease" in t.user_attrs for t in study_at(url).trials):
        time.sleep(0.05)
    assert fail_expired(study_at(url)) == []
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert fail_expired(study_at(url)) == [0]
    assert states(url) == [TrialState.FAIL]


def test_silent_worker_on_another_host_loses_its_trial_after_a_while(url, monkeypatch):
    """A lease of another machine counts until it is too old."""
    study = study_at(url)
    trial = study.ask()
    monkeypatch.setattr(leases.socket, "gethostname", lambda: "elsewhere")
    with Lease(trial):
        pass
    monkeypatch.undo()
    assert fail_expired(study) == []
    monkeypatch.setattr(leases, "_EXPIRE_S", 0.0)
    assert fail_expired(study) == [trial.number]


def test_lease_is_renewed_while_it_is_held(url, monkeypatch):
    """The lease's time moves on as long as the worker works, and stops with it."""
    monkeypatch.setattr(leases, "_RENEW_S", 0.02)
    study = study_at(url)

    def written():
        return study.trials[0].user_attrs["lease"]["time"]

    with Lease(study.ask()):
        first = written()
        time.sleep(0.3)
        assert written() > first
    last = written()
    time.sleep(0.1)
    assert written() == last


def test_trial_without_a_lease_is_given_time(url, monkeypatch):
    """A trial that was only just asked for is not taken away before its first lease."""
    study = study_at(url)
    study.ask()
    assert fail_expired(study) == []
    monkeypatch.setattr(leases, "_EXPIRE_S", -1.0)
    assert fail_expired(study) == [0]
