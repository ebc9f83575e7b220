"""Small networks that no library has, defined here; their weights are the user's (`model.weights=PATH`).

Parameters have the names of the published weights, so that those load as they are.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from bottleneck.models.defined.cifar_resnet import CifarResNet
from bottleneck.models.defined.espnet import ESPNet
from bottleneck.models.defined.yolox import YOLOXNano

__all__ = ["DEFINED", "CifarResNet", "Defined", "ESPNet", "YOLOXNano"]


class Defined(NamedTuple):
    """A network, and how images have to be prepared for its published weights.

    Attributes:
        build: Makes it, with weights drawn at random.
        wrapping: What `wrap` is given unless the caller says otherwise.
    """

    build: Callable[..., nn.Module]
    wrapping: dict[str, Any]


#: Each network by the name that `bottleneck.models.create` takes.
DEFINED: dict[str, Defined] = {
    "espnet": Defined(
        ESPNet,
        {  # blue, green, red; divided by their deviation in pixels, and then by 255 once more
            "order": [2, 1, 0],
            "mean": [0.43267069, 0.42513280, 0.41189488],
            "std": [72.12571015, 72.69074534, 69.90434816],
            "side": [360, 480],
        },
    ),
    "resnet20_cifar": Defined(lambda **options: CifarResNet(blocks=3, **options), {"side": 32}),
    "resnet56_cifar": Defined(lambda **options: CifarResNet(blocks=9, **options), {"side": 32}),
    "yolox_nano": Defined(
        YOLOXNano,
        {  # blue, green, red from 0 to 255
            "order": [2, 1, 0],
            "mean": [0.0] * 3,
            "std": [1.0] * 3,
            "maximum": 1.0,
            "side": 416,
            "rows": "yolox",
        },
    ),
}
