r"""One trial of a search, with a filled feature cache and without any.

    python benchmarks/search.py experiment=imagenette_paper data.root=PATH
    python benchmarks/search.py data=imagenette data.root=PATH model=resnet50 model.weights=null \
      model.num_classes=10 split=layer4.2 unit.latent_channels=64 alpha=0.01 trainer.max_epochs=4

Both trials train the experiment's own operating point on the same 500 images from the same seed, and are
measured on the same 200. Overrides are those of `bottleneck search`. Prints wall and processor times (other
work on the machine disturbs only the former), what filling the cache took once, and where the cached
trial's time goes.
"""

import cProfile
import inspect
import math
import pstats
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
import torch
from pytorch_lightning import seed_everything
from torch.optim import adam

from benchmarks.shared import composed, markdown, parser
from bottleneck.channel import Channel
from bottleneck.commands.setup import cut_of, point_of, recipe_of
from bottleneck.cut import Cut
from bottleneck.features.cache import StoredSamples
from bottleneck.search import trials
from bottleneck.search.space import Space
from bottleneck.search.storage import open_artifacts
from bottleneck.search.trials import Bench, Constraints, Pruning, run_trial
from bottleneck.training.systems import BottleneckSystem

IMAGES = ["data.train_limit=500", "data.val_limit=200"]

#: Parts of a trial that do not contain one another. Functions, not their names: names go stale in silence.
PARTS: dict[str, Callable[..., Any]] = {
    "forward and loss": BottleneckSystem.training_step,
    "backward": torch.Tensor.backward,
    "optimizer": adam.adam,
    "reading features for training": StoredSamples.__getitems__,
    "judging the selection samples in every epoch": BottleneckSystem.validation_step,
    "fitting the codec's tables": Channel.fit,
    "measuring through real bytes": Cut.measure,
    "storing the bundle": trials._upload,
}


def bench_of(overrides: Sequence[str], folder: Path) -> Bench:
    """The experiment of a configuration, its space narrowed to the one point that it names."""
    cfg = composed("search", [*IMAGES, *overrides])
    seed_everything(cfg.seed, verbose=False)  # a network with random weights is the same one each time
    point = point_of(cfg)
    unit = point.unit
    space = Space([unit["latent_channels"]], [unit["stride"]], [unit["step"]], [math.log10(point.alpha)])
    artifacts = open_artifacts(str(folder / "artifacts"))
    cut = cut_of(cfg, point.kind)
    return Bench.prepare(cut, point, recipe_of(cfg), space, artifacts, Constraints(), Pruning())


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
    outcome = run_trial(study, trial, bench)
    return clock.read(), outcome.attrs["val"]


def shares(profile: cProfile.Profile) -> dict[str, float]:
    """Share of a profiled trial's time in each of its parts, and in all else."""
    stats = pstats.Stats(profile)
    seconds: dict[Any, float] = {where: times[3] for where, times in stats.stats.items()}  # type: ignore[attr-defined]
    total = stats.total_tt  # type: ignore[attr-defined]
    found = {}
    for part, function in PARTS.items():
        code = inspect.unwrap(function).__code__
        found[part] = seconds.get((code.co_filename, code.co_firstlineno, code.co_name), 0.0) / total
    return {**found, "all else, Lightning's loop above all": 1 - sum(found.values())}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both trials and print the tables."""
    options = parser(__doc__)
    options.add_argument("overrides", nargs="*", help="of bottleneck search")
    overrides = options.parse_args(arguments).overrides
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clock = Clock()
        bench = bench_of([*overrides, f"cache.dir={folder}"], folder)
        filling = clock.read()
        trial_of(bench)  # compiles the codec, once per process
        cached, cached_row = trial_of(bench)
        profile = cProfile.Profile()
        profile.runcall(trial_of, bench)
        live, live_row = trial_of(bench_of([*overrides, "cache.enabled=false"], folder))

    rows = [
        [name, f"{wall:.1f}", f"{processor:.1f}", f"{row['value']:.4f}", f"{row['payload_bytes']:.1f}"]
        for name, (wall, processor), row in (("cached", cached, cached_row), ("no cache", live, live_row))
    ]
    epochs = bench.recipe.trainer["max_epochs"]
    print(
        f"{cached_row['model']} at {cached_row['split']}, {epochs} epochs; cache filled in "
        f"{filling[0]:.0f} s ({filling[1]:.0f} s of processor time)\n"
    )
    print(markdown(rows, ["trial", "wall s", "processor s", "value", "bytes"]))
    print(f"\nratio of processor times {live[1] / cached[1]:.1f}")
    print("\nWhere the cached trial's time goes, under a profiler:\n")
    print(markdown([[part, f"{share:.1%}"] for part, share in shares(profile).items()], ["part", "share"]))


if __name__ == "__main__":
    main()
