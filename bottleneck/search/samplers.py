"""Samplers whose draws depend on the study's seed and the trial's place, on nothing else (`places`).

Workers and resumed runs therefore never draw the same points again, and a study can be repeated. The
quasi-random sampler is the exception: all its workers share one seed, and the storage counts its points.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from bottleneck.search.places import draw_of


class SeededPerTrial(BaseSampler):
    """Any sampler, made anew for every trial from (study seed, place of the trial).

    Args:
        sampler: Makes the sampler from `seed`.
        seed: The study's seed.
    """

    def __init__(self, sampler: Callable[..., BaseSampler], seed: int):
        self._make = sampler
        self._seed = seed
        self._current = sampler(seed=seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        (seed,) = np.random.SeedSequence([self._seed, *draw_of(trial)]).generate_state(1)
        self._current = self._make(seed=int(seed))
        self._current.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._current.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._current.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._current.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._current.after_trial(study, trial, state, values)
