"""Device and server over a network: which way to an answer, and when to change it.

    strategies ──┐
    link ────────┴──► plan        once, for a link that is known
    confirmations ──► estimator ──► controller ──► strategy       frame by frame, for one that changes

What decides needs NumPy alone; nothing here reads a clock, the time is passed in.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bottleneck.runtime.device.cascade import Cascade
    from bottleneck.runtime.device.client import Client
    from bottleneck.runtime.device.graphs import GraphHalf
    from bottleneck.runtime.device.torch_half import TorchHalf

_MODULES = {
    "Cascade": "bottleneck.runtime.device.cascade",
    "Client": "bottleneck.runtime.device.client",
    "GraphHalf": "bottleneck.runtime.device.graphs",
    "TorchHalf": "bottleneck.runtime.device.torch_half",
}

__all__ = ["Cascade", "Client", "GraphHalf", "TorchHalf"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
