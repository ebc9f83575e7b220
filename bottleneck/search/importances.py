"""Which parameters decide rate and metric, as far as a study's finished trials can tell."""

import functools

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from bottleneck.show.html import Importances

_FEWEST = 10  # trials, for four parameters; a forest on fewer of them explains chance
_TREES = 16  # shares within about a hundredth of 64 trees', in a quarter of the time


def importances(study: optuna.Study, objectives: tuple[str, ...]) -> Importances:
    """Each parameter's share of what single parameters explain of an objective's variance.

    Args:
        study: Its finished trials count.
        objectives: Names for the study's objectives, in their order.

    Returns:
        Shares by objective and falling share; none where there are too few trials, and none for an
        objective in which all trials agree.

    Source: fANOVA, Hutter et al., ICML 2014, as Optuna has it.
    """
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(trials) < _FEWEST:
        return Importances({}, f"This takes {_FEWEST} finished trials; there are {len(trials)} so far.")
    evaluator = FanovaImportanceEvaluator(n_trees=_TREES, seed=0)
    shares = {}
    for index, objective in enumerate(objectives):
        value = functools.partial(_value, index)
        if len(set(map(value, trials))) > 1:
            found = get_param_importances(study, evaluator=evaluator, target=value)
            shares[objective] = {name: float(share) for name, share in found.items()}
    note = "Share of the variance that single parameters explain (fANOVA)"
    return Importances(shares, f"{note}, over {len(trials)} finished trials on the selection images.")


def _value(index: int, trial: FrozenTrial) -> float:
    found: float = trial.values[index]
    return found
