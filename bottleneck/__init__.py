"""Split computing: cut a frozen network, send a tiny trained latent as real bytes, know what it costs.

Importing this package loads nothing heavy; names are resolved when they are first used.
"""

import importlib
import warnings
from typing import Any

__version__ = "0.1.0"

# pandas looks for PyPI's `Bottleneck` under this name, and says that our version is too old to be it. It then
# goes on without, which is right.
warnings.filterwarnings("ignore", "Pandas requires version .* of 'bottleneck'", UserWarning)

_PUBLIC = {
    "BottleneckPlugin": "bottleneck.plugin",
    "BottleneckUnit": "bottleneck.unit",
    "load": "bottleneck.deploy",
    "split": "bottleneck.splitting",
    "split_points": "bottleneck.splitting",
}
_SUBMODULES = ("bundle", "codecs", "compat", "data", "models", "pareto", "rate", "splitting", "tasks", "unit")

__all__ = [*_PUBLIC, *_SUBMODULES]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"bottleneck.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
