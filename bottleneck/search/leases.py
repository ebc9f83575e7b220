"""Leases: a worker that trains a trial says so, again and again; one that falls silent loses the trial.

Optuna's own heartbeat needs a relational database; a lease is a user attribute and works on every storage.
No clock is compared with another machine's: a lease counts as long as it changes.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

KEY = "lease"
_RENEW_S = 10.0
_EXPIRE_S = 90.0


def lease(beat: int = 0) -> dict[str, Any]:
    """What this process says of a trial that it holds.

    Args:
        beat: How often it was said before.
    """
    return {"processes": _processes(), "pid": os.getpid(), "host": socket.gethostname(), "beat": beat}


class Lease:
    """Hold a running trial for the length of a `with` block."""

    def __init__(self, trial: optuna.Trial):
        self._trial = trial
        self._beat = 0
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
            self._renew()

    def _renew(self) -> None:
        self._beat += 1
        # A storage that is away for a moment costs one renewal, not the trial; a trial that was taken away is
        # found out when its end is told.
        with contextlib.suppress(Exception):
            self._trial.set_user_attr(KEY, lease(self._beat))


class Watch:
    """Which running trials have lost their worker, as far as this process can tell.

    A worker is gone when its process is dead, where that can be seen, or when its lease has stayed the same
    for a while of this process's own clock.

    Args:
        clock: Seconds since any moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._since: dict[int, tuple[Any, float]] = {}  # when each trial's lease was first seen as it is

    def fail_lost(self, study: optuna.Study) -> list[int]:
        """Mark running trials whose worker is gone as failed, and return their numbers."""
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        lost = [trial.number for trial in running if self._is_lost(trial)]
        for number in lost:
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
        return lost

    def _is_lost(self, trial: FrozenTrial) -> bool:
        found: Any = trial.user_attrs.get(KEY)
        now = self._clock()
        before, since = self._since.get(trial.number, (found, now))
        if found != before:
            since = now
        self._since[trial.number] = (found, since)
        seen_here = found is not None and found.get("processes") == _processes()
        return (seen_here and not _is_alive(found["pid"])) or now - since > _EXPIRE_S


def _processes() -> str:
    """Names the table of processes that this one sees: containers share host names, and have one each."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # no Linux
        return socket.gethostname()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
