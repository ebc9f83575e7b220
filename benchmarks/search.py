r"""One trial of a search, with a filled feature cache and without any.

    python benchmarks/search.py experiment=imagenette data.root=PATH
    python benchmarks/search.py data=imagenette data.root=PATH model=resnet50 model.weights=null \
      model.num_classes=10 split=layer4.2 unit.latent_channels=64 alpha=0.01 trainer.max_epochs=4

Both trials train the experiment's own operating point on the same 500 images from the same seed, and are
measured on the same 200. Overrides are those of `bottleneck search`. Prints wall and processor
times (other work on the machine disturbs only the former), what filling the cache took once, and where the
cached trial's time goes.
"""

import cProfile
import math
import pstats
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from pytorch_lightning import seed_everything
from tabulate import tabulate

from bottleneck.commands.config import config_dir
from bottleneck.experiment import Experiment
from bottleneck.search.storage import open_artifacts
from bottleneck.search.trials import Bench, run_trial

IMAGES = ["data.train_limit=500", "data.val_limit=200", "trainer.enable_progress_bar=false"]

# Parts of a trial that do not contain one another: (file, function) as the profiler names them.
PARTS = {
    "forward and loss": ("system.py", "training_step"),
    "backward": ("_tensor.py", "backward"),
    "optimizer": ("adam.py", "_single_tensor_adam"),
    "reading features for training": ("feature_cache.py", "__getitems__"),
    "judging the selection samples in every epoch": ("system.py", "validation_step"),
    "fitting the codec's tables": ("evaluation.py", "fit"),
    "measuring through real bytes": ("experiment.py", "measure"),
    "storing the bundle": ("trials.py", "_upload"),
}


def bench_of(cfg: DictConfig, folder: Path) -> Bench:
    """The experiment of a configuration, its space narrowed to the one point that it names."""
    seed_everything(cfg.seed, verbose=False)  # a network with random weights is the same one each time
    experiment = Experiment.from_config(cfg)
    net = experiment.split(cfg.split)
    return Bench.prepare(experiment, net, open_artifacts(str(folder / "artifacts")))


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Wall time, and processor time of all threads."""
        return time.perf_counter() - self._start[0], time.process_time() - self._start[1]


def trial_of(bench: Bench) -> tuple[tuple[float, float], dict[str, Any]]:
    """Seconds that a trial takes, and its row on the validation samples."""
    study = optuna.create_study(directions=["minimize", "maximize"])
    trial = study.ask()
    clock = Clock()
    run_trial(study, trial, bench)
    return clock.read(), trial.user_attrs["val"]


def pinned(overrides: list[str]) -> DictConfig:
    """The search's configuration with the space narrowed to the experiment's own point."""
    cfg = compose("search", [*IMAGES, *overrides])
    cfg.space.latent_channels, cfg.space.stride = [cfg.unit.latent_channels], [cfg.unit.stride]
    cfg.space.step = [cfg.unit.step]
    cfg.space.log10_alpha = [math.log10(cfg.alpha)]
    return cfg


def main(overrides: list[str]) -> None:
    """Run both trials and print the table."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary, initialize_config_dir(config_dir(), version_base="1.3"):
        folder = Path(temporary)
        cfg = pinned([*overrides, f"cache.dir={folder}"])
        clock = Clock()
        bench = bench_of(cfg, folder)
        filling = clock.read()
        trial_of(bench)  # compiles the codec, once per process
        cached, cached_row = trial_of(bench)
        profile = cProfile.Profile()
        profile.runcall(trial_of, bench)
        live, live_row = trial_of(bench_of(pinned([*overrides, "cache.enabled=false"]), folder))

    rows = [
        [name, f"{wall:.1f}", f"{processor:.1f}", f"{row['value']:.4f}", f"{row['payload_bytes']:.1f}"]
        for name, (wall, processor), row in (("cached", cached, cached_row), ("no cache", live, live_row))
    ]
    print(
        f"{cfg.model.name} at {cfg.split}, {cfg.trainer.max_epochs} epochs; cache filled in "
        f"{filling[0]:.0f} s ({filling[1]:.0f} s of processor time)"
    )
    print(
        tabulate(
            rows,
            ["trial", "wall s", "processor s", "value", "bytes"],
            tablefmt="github",
            disable_numparse=True,
        )
    )
    print(f"ratio of processor times {live[1] / cached[1]:.1f}")
    print("\nWhere the cached trial's time goes (under a profiler):")
    print(tabulate(shares(profile), ["part", "share"], tablefmt="github"))


def shares(profile: cProfile.Profile) -> list[list[str]]:
    """Share of a profiled trial's time in each of its parts."""
    stats = pstats.Stats(profile)
    total = stats.total_tt  # type: ignore[attr-defined]
    seconds = {
        part: sum(
            times[3]
            for (path, _, function), times in stats.stats.items()  # type: ignore[attr-defined]
            if (Path(path).name, function) == where
        )
        for part, where in PARTS.items()
    }
    seconds["all else, Lightning's loop above all"] = total - sum(seconds.values())
    return [[part, f"{share / total:.0%}"] for part, share in seconds.items()]


if __name__ == "__main__":
    main(sys.argv[1:])
