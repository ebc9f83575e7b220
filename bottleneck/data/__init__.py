"""Data sets, each a LightningDataModule that keeps the contract of `ImageData`."""

from bottleneck.data.base import ImageData
from bottleneck.data.cifar10 import CIFAR10
from bottleneck.data.coco import DetectionCoco, SemanticCoco
from bottleneck.data.digits import Digits
from bottleneck.data.folders import ImageFolder
from bottleneck.data.frames import Frames
from bottleneck.data.imagenet import ImageNet, Imagenette
from bottleneck.data.masks import MaskFolder
from bottleneck.data.scenes import DetectionScenes, SemanticScenes

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
