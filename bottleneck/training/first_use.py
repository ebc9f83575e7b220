"""Frontiers of the embedded digits: trained when they are first asked for, and kept.

    CACHE/frontiers/digits_resnet-1/layer1/  layer2/     as `bottleneck search` writes them

They are there so that what runs a frontier can be tried at once; a search of one's own finds better points.
"""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from bottleneck import models
from bottleneck.cut import Cut
from bottleneck.data.digits import Digits
from bottleneck.deploy.frontier import Point, write_frontier
from bottleneck.features import FeatureCache
from bottleneck.identity import weights_identity
from bottleneck.loss import OperatingPoint
from bottleneck.loss.objectives import FrozenLogits
from bottleneck.tasks.classification import Classification
from bottleneck.training.loop import train
from bottleneck.training.recipe import Recipe

_EPOCHS = 12
_UNIT = {"latent_channels": 8, "stride": 2, "step": 1.0}

#: By split point: the alpha of each operating point, by rising rate.
_ALPHAS = {"layer1": (0.3, 1.0), "layer2": (0.1, 0.3)}


def embedded_frontiers(cache_dir: str | Path) -> list[Path]:
    """Folders of the digits' frontiers, one for each split point; several processes may ask at once.

    Args:
        cache_dir: Where features are cached as well.
    """
    cache = Path(cache_dir).expanduser()
    model = models.create("digits_resnet")
    # Bundles belong to one network: of other weights, other bundles.
    home = cache / "frontiers" / f"digits_resnet-1-{weights_identity(model)[:12]}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(home.with_suffix(".lock")):
        if not home.exists():
            fresh = home.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            made = {"_target_": "bottleneck.models.create", "name": "digits_resnet", "weights": None}
            features = FeatureCache(cache, "float32", None)
            cut = Cut(model, Digits(holdout=0), Classification(10), "input", cache=features, made=made)
            for split, alphas in _ALPHAS.items():
                _train(cut.at(split), alphas, fresh / split)
            fresh.rename(home)
    return [home / split for split in _ALPHAS]


def _train(cut: Cut, alphas: Sequence[float], folder: Path) -> None:
    quiet = {"enable_model_summary": False, "enable_progress_bar": False}
    recipe = Recipe(trainer={"max_epochs": _EPOCHS, "accelerator": "cpu", **quiet})
    points = []
    bar = tqdm(alphas, f"Training units at {cut.net.point.name} (once)", unit="unit")
    for number, alpha in enumerate(bar):
        point = OperatingPoint(_UNIT, alpha, objective=FrozenLogits())
        channel = train(cut, point, recipe, limit_val_batches=0)
        assert channel is not None, "there is one process"
        (row,) = cut.measure([channel])
        name = f"point-{number:02}"
        cut.bundle(channel, {**dataclasses.asdict(row), "alpha": alpha}).save(folder / name)
        sent = (row.payload_bytes or 0) + 1  # the byte that names the point
        settings = {**_UNIT, "alpha": alpha}
        points.append(Point(number, name, 8 * sent / cut.pixels, sent, row.value, settings))
    write_frontier(folder, points, {"metric": cut.task.metric})
