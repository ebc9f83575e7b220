"""Use what was trained: `device(image) -> payload`, `server(payload) -> output`.

Needs torch and NumPy, neither torchvision nor Lightning nor Hydra; the zoo and the choice of a point read
descriptions alone, without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bottleneck.deploy.loading import load
    from bottleneck.deploy.sides import Device, Server
    from bottleneck.deploy.switching import FrontierDevice, FrontierServer

_MODULES = {
    "Device": "bottleneck.deploy.sides",
    "FrontierDevice": "bottleneck.deploy.switching",
    "FrontierServer": "bottleneck.deploy.switching",
    "Server": "bottleneck.deploy.sides",
    "load": "bottleneck.deploy.loading",
}

__all__ = ["Device", "FrontierDevice", "FrontierServer", "Server", "load"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
