"""Draws depend on the study's seed and the trial's number, on nothing else."""

from functools import partial
from pathlib import Path

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from bottleneck.commands.config import config_dir
from bottleneck.search.samplers import SeededPerTrial
from bottleneck.search.space import Space

SPACE = Space([8, 16, 32], [1, 2], [0.5, 4.0], [-2, 0])
SAMPLERS = sorted(file.stem for file in (Path(config_dir()) / "sampler").glob("*.yaml"))


def sampler_of(name, seed=0):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return instantiate(compose("search", [f"sampler={name}", f"study.seed={seed}"]).sampler)


def params(study, n):
    found = []
    for _ in range(n):
        trial = study.ask()
        point = SPACE.draw(trial)
        study.tell(trial, (point["latent_channels"] * point["alpha"], -point["step"]))
        found.append(tuple(trial.params.values()))
    return found


def new_study(sampler, storage=None):
    return optuna.create_study(
        study_name="s",
        storage=storage,
        sampler=sampler,
        directions=["minimize", "maximize"],
        load_if_exists=True,
    )


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "gp")) for name in SAMPLERS]
)
def test_every_sampler_draws_from_the_space_and_repeats(name):
    """Each configured sampler runs two objectives, and the same seed gives the same points."""
    first, second = (params(new_study(sampler_of(name)), 13) for _ in range(2))
    assert first == second
    assert len(set(first)) == 13


def test_resumed_study_draws_what_an_uninterrupted_one_would():
    """Stopping after three trials and going on in another process draws the same eight points."""
    make = partial(SeededPerTrial, optuna.samplers.RandomSampler, 5)
    whole = params(new_study(make()), 8)
    storage = optuna.storages.InMemoryStorage()
    resumed = params(new_study(make(), storage), 3) + params(new_study(make(), storage), 5)
    assert resumed == whole


def test_parallel_workers_never_draw_the_same_point():
    """Two workers with the same seed on one storage ask in turn and get different points."""
    storage = optuna.storages.InMemoryStorage()
    make = partial(SeededPerTrial, optuna.samplers.RandomSampler, 5)
    workers = [new_study(make(), storage) for _ in range(2)]
    found = [params(worker, 1)[0] for _ in range(10) for worker in workers]
    assert len(set(found)) == 20


def test_other_seed_draws_other_points():
    """The study's seed decides the draws."""
    assert params(new_study(sampler_of("random", 0)), 3) != params(new_study(sampler_of("random", 1)), 3)
