"""Split computing: cut a frozen network, send a tiny trained latent as real bytes, know what it costs.

Importing this package loads nothing heavy; names are resolved when they are first used.
"""

import importlib
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bottleneck import codecs, compat, data, models, splitting, tasks, unit
    from bottleneck.channel import Channel
    from bottleneck.cut import Cut
    from bottleneck.deploy import bundle, load
    from bottleneck.deploy.zoo import zoo
    from bottleneck.loss import OperatingPoint
    from bottleneck.loss import rates as rate
    from bottleneck.measure import pareto
    from bottleneck.plugin import BottleneckPlugin
    from bottleneck.splitting import split, split_points
    from bottleneck.training import Recipe, train
    from bottleneck.unit import BottleneckUnit

__version__ = "0.2.0"

# pandas looks for PyPI's `Bottleneck` under this name, and says that our version is too old to be it. It then
# goes on without, which is right.
warnings.filterwarnings("ignore", "Pandas requires version .* of 'bottleneck'", UserWarning)

_OBJECTS = {
    "BottleneckPlugin": "bottleneck.plugin",
    "BottleneckUnit": "bottleneck.unit",
    "Channel": "bottleneck.channel",
    "Cut": "bottleneck.cut",
    "OperatingPoint": "bottleneck.loss",
    "Recipe": "bottleneck.training",
    "load": "bottleneck.deploy",
    "split": "bottleneck.splitting",
    "split_points": "bottleneck.splitting",
    "train": "bottleneck.training",
    "zoo": "bottleneck.deploy.zoo",
}
_MODULES = {
    "bundle": "bottleneck.deploy.bundle",
    "codecs": "bottleneck.codecs",
    "compat": "bottleneck.compat",
    "data": "bottleneck.data",
    "models": "bottleneck.models",
    "pareto": "bottleneck.measure.pareto",
    "rate": "bottleneck.loss.rates",
    "splitting": "bottleneck.splitting",
    "tasks": "bottleneck.tasks",
    "unit": "bottleneck.unit",
}

__all__ = [  # noqa: RUF022  # objects, then modules
    "BottleneckPlugin",
    "BottleneckUnit",
    "Channel",
    "Cut",
    "OperatingPoint",
    "Recipe",
    "load",
    "split",
    "split_points",
    "train",
    "zoo",
    "bundle",
    "codecs",
    "compat",
    "data",
    "models",
    "pareto",
    "rate",
    "splitting",
    "tasks",
    "unit",
]


def __getattr__(name: str) -> Any:
    if name in _OBJECTS:
        return getattr(importlib.import_module(_OBJECTS[name]), name)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
