"""How far a study is, in a line after each trial."""

import time
from collections.abc import Callable

import optuna
from optuna.trial import TrialState

from bottleneck.search.places import Outcome, finished, open_places

_SHORT = {"latent_channels": "C_r", "stride": "S", "step": "Q", "width": "w"}
_SETTLED = (TrialState.COMPLETE, TrialState.PRUNED)


class Progress:
    """Trials of a study, as this process sees them; those of other workers count as well.

    Args:
        study: The study.
        n_trials: How many it shall have.
        clock: Seconds.
    """

    def __init__(self, study: optuna.Study, n_trials: int, clock: Callable[[], float] = time.monotonic):
        self._study, self._n_trials, self._clock = study, n_trials, clock
        self._began, self._before = clock(), self._settled()

    def line(self, outcome: Outcome) -> str:
        """What became of a trial, what the best one is, and when all will be done."""
        done = self._settled()
        left = len(open_places(self._study, self._n_trials))
        told = f"trial {done} of {self._n_trials}: {_what(outcome)}"
        if (best := self._best()) is not None:
            told += f" · best so far {best}"
        pace = (self._clock() - self._began) / max(1, done - self._before)
        return told + (f" · {_duration(pace * left)} to go" if left else "")

    def _settled(self) -> int:
        return len(self._study.get_trials(deepcopy=False, states=_SETTLED))

    def _best(self) -> str | None:
        """The trial with the highest metric on the selection samples, of those the one with fewest bytes."""
        rows = [trial.user_attrs["select"] for trial in finished(self._study)]
        if not rows:
            return None
        best = max(rows, key=lambda row: (row["value"], -row["payload_bytes"]))
        return f"{best['value']:.4f} from {best['payload_bytes']:,.1f} bytes"


def _what(outcome: Outcome) -> str:
    attrs = outcome.attrs
    drawn = ", ".join(
        f"{_SHORT.get(name, name)} {value:.4g}" for name, value in attrs.get("point", {}).items()
    )
    if outcome.state == TrialState.COMPLETE:
        row = attrs["select"]
        guesses = f"; {attrs['guesses']}" if "guesses" in attrs else ""
        return f"{row['value']:.4f} from {row['payload_bytes']:,.1f} bytes ({drawn}){guesses}"
    if "twin" in attrs:
        return f"the same point as trial {attrs['twin']}"
    if "rival" in attrs:
        return f"stopped early, trial {attrs['rival']} was better and smaller ({drawn})"
    if "ailment" in attrs:
        return f"stopped early, {attrs['ailment']} ({drawn})"
    return f"failed: {attrs.get('error', 'interrupted')}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
