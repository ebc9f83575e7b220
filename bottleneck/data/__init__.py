"""Data sets, each a LightningDataModule that keeps the contract of `ImageData`.

Importing this package loads nothing heavy; a data set is loaded when it is first named.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bottleneck.data.base import ImageData
    from bottleneck.data.cifar10 import CIFAR10
    from bottleneck.data.coco import DetectionCoco, SemanticCoco
    from bottleneck.data.digits import Digits
    from bottleneck.data.folders import ImageFolder
    from bottleneck.data.frames import Frames
    from bottleneck.data.imagenet import ImageNet, Imagenette
    from bottleneck.data.masks import MaskFolder
    from bottleneck.data.scenes import DetectionScenes, SemanticScenes

_MODULES = {
    "CIFAR10": "bottleneck.data.cifar10",
    "DetectionCoco": "bottleneck.data.coco",
    "DetectionScenes": "bottleneck.data.scenes",
    "Digits": "bottleneck.data.digits",
    "Frames": "bottleneck.data.frames",
    "ImageData": "bottleneck.data.base",
    "ImageFolder": "bottleneck.data.folders",
    "ImageNet": "bottleneck.data.imagenet",
    "Imagenette": "bottleneck.data.imagenet",
    "MaskFolder": "bottleneck.data.masks",
    "SemanticCoco": "bottleneck.data.coco",
    "SemanticScenes": "bottleneck.data.scenes",
}

__all__ = [
    "CIFAR10",
    "DetectionCoco",
    "DetectionScenes",
    "Digits",
    "Frames",
    "ImageData",
    "ImageFolder",
    "ImageNet",
    "Imagenette",
    "MaskFolder",
    "SemanticCoco",
    "SemanticScenes",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
