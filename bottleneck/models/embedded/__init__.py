"""Small networks that the package brings along, weights included, so that everything runs offline.

They were trained on embedded data by `benchmarks/embedded.py`, and are the same on every machine.
"""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from bottleneck.models.pixels import Normalize, PixelNetwork
from bottleneck.models.rcnn import RCNN

__all__ = ["EMBEDDED", "weights_of"]


def weights_of(name: str) -> Path:
    """The file with the trained weights of an embedded network, in half precision."""
    return Path(__file__).parent / "weights" / f"{name}.safetensors"


def _digits(network: nn.Module, name: str) -> PixelNetwork:
    return PixelNetwork(network, Normalize([0.305], [0.376], maximum=16), name=name, input_shape=(1, 8, 8))


def _digits_resnet() -> PixelNetwork:
    from bottleneck.models.embedded.digits import DigitsResNet

    return _digits(DigitsResNet(), "digits_resnet")


def _digits_vit() -> PixelNetwork:
    from bottleneck.models.embedded.transformers import DigitsViT  # loads torchvision, which takes long

    return _digits(DigitsViT(), "digits_vit")


def _digits_swin() -> PixelNetwork:
    from bottleneck.models.embedded.transformers import DigitsSwin

    return _digits(DigitsSwin(), "digits_swin")


def _scenes_segmenter() -> PixelNetwork:
    from bottleneck.models.embedded.segmenter import ScenesSegmenter

    normalize = Normalize([0.25] * 3, [0.22] * 3)
    return PixelNetwork(ScenesSegmenter(), normalize, name="scenes_segmenter", input_shape=(3, 64, 64))


def _scenes_detector() -> RCNN:
    from bottleneck.models.embedded.detector import SIDE, build_rcnn

    return RCNN(build_rcnn(), "scenes_detector", (3, SIDE, SIDE))


#: Makes each network, with weights drawn at random, by the name that `bottleneck.models.create` takes.
EMBEDDED: dict[str, Callable[[], PixelNetwork | RCNN]] = {
    "digits_resnet": _digits_resnet,
    "digits_vit": _digits_vit,
    "digits_swin": _digits_swin,
    "scenes_segmenter": _scenes_segmenter,
    "scenes_detector": _scenes_detector,
}
