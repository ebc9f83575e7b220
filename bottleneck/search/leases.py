"""Leases: a worker that trains a trial says so, again and again; one that falls silent loses the trial.

Optuna's own heartbeat needs a relational database; a lease is a user attribute and works on every storage.
"""

import contextlib
import os
import socket
import threading
import time
from types import TracebackType

import optuna
from optuna.trial import FrozenTrial, TrialState

_KEY = "lease"
_RENEW_S = 10.0
_EXPIRE_S = 90.0


class Lease:
    """Hold a running trial for the length of a `with` block."""

    def __init__(self, trial: optuna.Trial):
        self._trial = trial
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> "Lease":
        self._renew()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._done.wait(_RENEW_S):
            # A storage that is away for a moment costs one renewal, not the trial.
            with contextlib.suppress(Exception):
                self._renew()

    def _renew(self) -> None:
        self._trial.set_user_attr(
            _KEY, {"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
        )


def fail_expired(study: optuna.Study) -> list[int]:
    """Mark running trials whose worker is gone as failed, and return their numbers.

    A worker is gone when its process on this host is dead, or its lease was not renewed for a while.
    """
    gone = [trial for trial in study.get_trials(states=(TrialState.RUNNING,)) if not _is_held(trial)]
    for trial in gone:
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    return [trial.number for trial in gone]


def _is_held(trial: FrozenTrial) -> bool:
    lease = trial.user_attrs.get(_KEY)
    if lease is None:
        # Asked for a moment ago, or its worker died before the first lease.
        started = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
        return time.time() - started < _EXPIRE_S
    if lease["host"] == socket.gethostname() and not _is_alive(lease["pid"]):
        return False
    found: bool = time.time() - lease["time"] < _EXPIRE_S
    return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
